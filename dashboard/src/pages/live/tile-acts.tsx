import { useState } from "react";
import { useWhisper } from "@/api/supervision";
import { useSpeaking } from "@/audio/context";
import { Having, TakeOver, Whisper } from "@/components/console/console";
import { PillMenu } from "@/components/console/pill-menu";
import { StatusLine } from "@/components/console/status-line";
import { words } from "@/lib/format";
import { attemptTrouble } from "@/lib/supervision-words";
import { useLastLine } from "@/realtime/last-lines";
import type { Call } from "@/wire/Call";
import type { Me } from "@/wire/Me";

interface Props {
  call: Call;
  me: Me;
  /** Whether W, T and H are for this call. */
  keyed: boolean;
  /** What stands between what is said and the acts. */
  children: React.ReactNode;
}

/** What is said in a call, or who hears you in it; and what can be done to it beside others. */
export function TileActs({ call, me, keyed, children }: Props) {
  const speaking = useSpeaking(call.id);
  const whisper = useWhisper(call.id);
  const [asked, setAsked] = useState(false);
  const trouble = whisper.isError ? attemptTrouble("write", whisper.error) : undefined;
  const shared = { call, me, speaking, keyed };
  return (
    <>
      {speaking === undefined && trouble === undefined ? (
        <LastLine callId={call.id} />
      ) : (
        <StatusLine call={call} me={me} speaking={speaking} trouble={trouble} />
      )}
      <span className="flex-1" />
      {children}
      <div className="mt-1.5 grid grid-cols-3 gap-1.5 [&_button]:px-1.5 [&_button]:text-xs">
        <Whisper {...shared} />
        <Having {...shared} onTake={() => setAsked(true)} />
        <PillMenu call={call} me={me} whisper={whisper} />
      </div>
      <TakeOver {...shared} open={asked} onClose={() => setAsked(false)} />
    </>
  );
}

/** What was said last: its place is kept while nothing was. */
export function LastLine({ callId }: { callId: string }) {
  const line = useLastLine(callId);
  return (
    <p className="line-clamp-2 h-8 text-xs leading-4 text-ink-soft">
      {line !== undefined && (
        <>
          <span className="font-medium">{words(line.party)}:</span> {line.text}
        </>
      )}
    </p>
  );
}
