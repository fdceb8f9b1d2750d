import type { RecordingAct } from "@/api/recording-acts";
import { recall, remember } from "./storage";

/** When a pause ends: seconds as text, empty until somebody resumes. The first one is the rule. */
export const RESUMES = [
  ["", "Until resumed"],
  ["60", "For 1 minute"],
  ["120", "For 2 minutes"],
  ["300", "For 5 minutes"],
] as const;
export type Resumes = (typeof RESUMES)[number][0];

const KEY = "sidetone.pause.resumes";
const isResumes = (value: unknown): value is Resumes => RESUMES.some(([each]) => each === value);

/** What was chosen last in this browser. */
export const chosenResumes = (): Resumes => recall<Resumes>(KEY, "", isResumes);

/** Keeps the choice for the next pause. */
export const keepResumes = (resumes: Resumes): void => remember(KEY, resumes);

/** A pause that ends as chosen, for the reason given. */
export function pauseAct(reason = ""): RecordingAct {
  const resumes = chosenResumes();
  return {
    act: "pause",
    ...(resumes === "" ? {} : { resumeAfterSeconds: Number(resumes) }),
    ...(reason.trim() === "" ? {} : { reason: reason.trim() }),
  };
}
