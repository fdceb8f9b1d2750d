import { ApiError, errorText } from "@/api/client";

const BY_CODE: Partial<Record<string, string>> = {
  recording_erased: "This recording was erased. Nobody can play it any more.",
  recording_not_ready:
    "The recording is still being made or on its way to the store. Try again in a moment.",
  recording_unreadable:
    "The stored file is damaged or cannot be decrypted. An operator finds out more with “sidetone recordings check”.",
  store_unavailable:
    "The store of the recordings does not answer. The recording is safe: try again in a moment.",
  renditions_busy:
    "Too many recordings are being converted right now. Try again in a few seconds, or take Ogg, which needs no conversion.",
};

const BY_STATUS: Partial<Record<number, string>> = {
  404: "This recording does not exist any more.",
  409: "This recording cannot be had now.",
  410: "This recording was erased. Nobody can play it any more.",
  500: "The server could not read the recording. Its log says why.",
  503: "The recording cannot be had at the moment. It is safe: try again soon.",
};

/** Why a recording cannot be heard or downloaded, and what to do. */
export function soundTrouble(error: unknown): string {
  if (!(error instanceof ApiError)) return errorText(error);
  return (
    BY_CODE[error.code] ??
    (error.code === "unknown" ? BY_STATUS[error.status] : undefined) ??
    errorText(error)
  );
}
