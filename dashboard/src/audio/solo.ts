import { PARTIES, type Listener, type Listening } from "./listener";

const isMuted = ({ parties }: Listening): boolean => PARTIES.every((each) => parties[each].muted);

/** Whether of several calls that are listened to this one alone is heard. */
export function isAlone(calls: readonly Listening[], callId: string): boolean {
  const own = calls.find((each) => each.callId === callId);
  const others = calls.filter((each) => each !== own);
  return own !== undefined && !isMuted(own) && others.length > 0 && others.every(isMuted);
}

/** Mutes every call but this one, for this page's ears; or none of them, if it is alone already. */
export function toggleAlone(listener: Listener, callId: string): void {
  const muted = !isAlone(listener.calls(), callId);
  for (const call of listener.calls()) {
    for (const party of PARTIES) {
      listener.setMuted(call.callId, party, call.callId !== callId && muted);
    }
  }
}

/** Hears a call alone, also one that was not listened to; or all of them again. */
export function hearAlone(listener: Listener, callId: string): void {
  const known = listener.calls().find((each) => each.callId === callId);
  const isNew = known === undefined || known.phase === "failed";
  if (isNew) void listener.listen(callId);
  if (!isNew || !isAlone(listener.calls(), callId)) toggleAlone(listener, callId);
}
