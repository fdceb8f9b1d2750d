import { useState } from "react";
import { CallTime } from "@/player/call-time";
import { useStream } from "@/realtime/context";

/** What a view of one call needs while it is shown: its stream, and one time for its recordings. */
export function useShownCall(callId: string): CallTime {
  useStream(`call:${callId}`);
  const [time] = useState(() => new CallTime());
  return time;
}
