import { lazy, Suspense } from "react";
import { useRecordings } from "@/api/calls";
import { errorText } from "@/api/client";
import { RecordingControl } from "@/components/recording-control";
import { Button } from "@/components/ui/button";
import { Skeleton } from "@/components/ui/skeleton";
import { isEnded } from "@/realtime/patches";
import type { Call } from "@/wire/Call";
import type { Me } from "@/wire/Me";
import { CallSection } from "./section";

const RecordingCard = lazy(() => import("@/player/recording-card"));

/** The recording that runs, and those that there are. */
export function Recordings({ call, me }: { call: Call; me: Me }) {
  const live = !isEnded(call);
  const recordings = useRecordings(call.id, !live);
  const found = recordings.data ?? [];
  const ended = found.filter((each) => each.state !== "recording" || !live);
  if (recordings.isPending && !live) return <Skeleton className="m-4 h-44" />;
  return (
    <>
      {live && (
        <CallSection title="Recording">
          <RecordingControl call={call} me={me} />
        </CallSection>
      )}
      {recordings.isError ? (
        <CallSection title="Recordings">
          <p role="alert" className="text-bad-ink">
            {errorText(recordings.error)}
          </p>
          <Button className="mt-2" onClick={() => void recordings.refetch()}>
            Try again
          </Button>
        </CallSection>
      ) : ended.length > 0 ? (
        <CallSection
          title={live ? "Earlier recordings" : ended.length === 1 ? "Recording" : "Recordings"}
        >
          <Suspense fallback={<Skeleton className="h-44" />}>
            <div className="grid gap-5">
              {ended.map((each, index) => (
                <RecordingCard
                  key={each.id}
                  recording={each}
                  call={call}
                  me={me}
                  primary={index === 0}
                />
              ))}
            </div>
          </Suspense>
        </CallSection>
      ) : (
        !live && (
          <CallSection title="Recording">
            <p className="text-ink-soft">{withoutRecording(call)}</p>
          </CallSection>
        )
      )}
    </>
  );
}

function withoutRecording(call: Call): string {
  if (call.consent === "denied") return "The customer did not agree to be recorded.";
  if (call.recording.state === "off") return "This call was not recorded.";
  if (call.recording.state === "failed") return "The recording failed.";
  return "The recording is being stored. It appears here in a moment.";
}
