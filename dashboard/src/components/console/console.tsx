import { Ear, Hand, Megaphone, MicOff, PhoneOff, Undo2, UserRound, VolumeX } from "lucide-react";
import { useState } from "react";
import { useEndCall, useMuteParty, useTakeOverByPhone } from "@/api/supervision";
import { useSpeaking, useTalker } from "@/audio/context";
import type { HeardParty } from "@/audio/listener";
import type { Speaking } from "@/audio/talker";
import { Confirm } from "@/components/ui/confirm";
import { useActs } from "@/lib/acts";
import { agentLabel, customerLabel, upstreamName } from "@/lib/call-words";
import { useHeldKey, useKeys } from "@/lib/keys";
import {
  attemptTrouble,
  isHolder,
  isTakenForGood,
  obstacle,
  type ConsoleAct,
} from "@/lib/supervision-words";
import type { Call } from "@/wire/Call";
import type { Me } from "@/wire/Me";
import { ActButton } from "./act-button";
import { MicrophoneRow } from "./microphone-row";
import { StatusLine } from "./status-line";
import { Transfer, useMoving } from "./transfer";
import { Watching } from "./watching";
import { Write } from "./write";

interface Props {
  call: Call;
  me: Me;
}

/** Speaking in a live call, having it, and ending it. Every part keeps its place. */
export function Console({ call, me }: Props) {
  const speaking = useSpeaking(call.id);
  const mute = useMuteParty(call.id);
  const moving = useMoving(call, me);
  const [asked, setAsked] = useState<"takeover" | "end">();
  const close = () => setAsked(undefined);
  const trouble = mute.isError ? attemptTrouble("mute", mute.error) : undefined;
  return (
    <section
      aria-label="Supervision"
      data-testid="console"
      className="grid shrink-0 gap-2 border-b border-line px-4 pt-3 pb-2"
    >
      <MicrophoneRow call={call} me={me} speaking={speaking} />
      <div className="grid grid-cols-3 gap-2">
        <Whisper call={call} me={me} speaking={speaking} />
        <Barge call={call} me={me} speaking={speaking} />
        <Having call={call} me={me} speaking={speaking} onTake={() => setAsked("takeover")} />
      </div>
      <div className="grid grid-cols-2 gap-2">
        {(["customer", "agent"] as const).map((party) => (
          <Mute key={party} call={call} me={me} party={party} mute={mute} />
        ))}
      </div>
      <Transfer call={call} me={me} moving={moving}>
        <ActButton
          icon={PhoneOff}
          label="End call"
          hint="Ends the call for everybody in it"
          variant="danger"
          obstacle={obstacle(call, me, "end")}
          onPress={() => setAsked("end")}
        />
      </Transfer>
      <StatusLine call={call} me={me} speaking={speaking} trouble={trouble} moving={moving} />
      <Write key={call.id} call={call} me={me} />
      <Watching watchers={call.watchers} me={me} />
      <TakeOver
        call={call}
        me={me}
        speaking={speaking}
        open={asked === "takeover"}
        onClose={close}
      />
      <End call={call} open={asked === "end"} onClose={close} />
    </section>
  );
}

interface SpeakingProps extends Props {
  speaking: Speaking | undefined;
  /** Whether keys do it, too: of what is shown of many calls, one has the keys. */
  keyed?: boolean;
}

/** Heard by the agent for as long as it is held. */
export function Whisper({ call, me, speaking, keyed = true }: SpeakingProps) {
  const talker = useTalker();
  const why = obstacle(call, me, "whisper_voice");
  const press = () => void talker.speak(call.id, "whisper");
  const release = () => void talker.speak(call.id, "armed");
  const held = useHeldKey(keyed ? "w" : undefined, why === undefined ? press : undefined, release);
  const on = speaking?.mode === "whisper";
  return (
    <ActButton
      icon={Ear}
      label="Whisper"
      hint={keyed ? "Hold, or hold W: only the agent hears you" : "Hold: only the agent hears you"}
      keys={keyed ? "w" : undefined}
      obstacle={why}
      on={on}
      busy={on && !speaking.confirmed}
      hold={held}
    />
  );
}

function Barge({ call, me, speaking }: SpeakingProps) {
  const talker = useTalker();
  const on = speaking?.mode === "barge";
  const holds = speaking?.holds === true;
  return (
    <ActButton
      icon={Megaphone}
      label="Barge in"
      hint={on ? "Press again and nobody hears you" : "Customer and agent both hear you"}
      obstacle={holds ? "You have the call: everybody hears you." : obstacle(call, me, "barge")}
      on={on}
      busy={on && !speaking.confirmed}
      onPress={() => void talker.speak(call.id, on ? "armed" : "barge")}
    />
  );
}

/** Takes the call, or gives it back: one place, since only one of them makes sense. */
export function Having(props: SpeakingProps & { onTake: () => void }) {
  const { call, me, speaking, keyed = true, onTake } = props;
  const talker = useTalker();
  const { control } = call;
  const others = control.holder !== "agent" && !isHolder(control, me);
  // whom it was transferred to has no console: every supervisor may take it from them
  const given = control.holder.startsWith("target:");
  const back = isHolder(control, me) || (others && (given || me.role === "admin"));
  const act: ConsoleAct = back ? "hand_back" : "takeover";
  const has = `${control.holderName ?? "Another supervisor"} has the call. It can be taken once they hand it back.`;
  const why = others && !back ? has : obstacle(call, me, act);
  const handBack = () => void talker.handBack(call.id);
  const press = why !== undefined ? undefined : back ? handBack : onTake;
  // a slip of the finger takes no call from a colleague
  useKeys(press === undefined || others || !keyed ? {} : { [back ? "h" : "t"]: press });
  useActs(
    press === undefined || !keyed
      ? []
      : [
          back
            ? { id: "handback", name: "Hand the call back", icon: Undo2, key: "H", run: press }
            : { id: "takeover", name: "Take the call over", icon: Hand, key: "T", run: press },
        ],
  );
  return (
    <ActButton
      icon={back ? Undo2 : Hand}
      label={back ? "Hand back" : "Take over"}
      hint={
        others
          ? `Takes the call from ${control.holderName ?? "the supervisor who has it"}: the agent has it again`
          : back
            ? "The agent has the call again (H)"
            : "The customer hears you in place of the agent (T)"
      }
      keys={others || !keyed ? undefined : back ? "h" : "t"}
      variant={back ? "primary" : "outline"}
      obstacle={why}
      busy={speaking?.act !== undefined}
      onPress={press}
    />
  );
}

interface MuteProps extends Props {
  party: HeardParty;
  mute: ReturnType<typeof useMuteParty>;
}

/** Mutes a party towards the others in the call, or lets it be heard again. */
function Mute({ call, me, party, mute }: MuteProps) {
  const act = mute.isPending && mute.variables.party === party ? mute.variables : undefined;
  const known = call.muted?.includes(party) === true;
  const muted = act?.muted ?? known;
  // whoever is muted may be heard again also when they are not there now
  const why = obstacle(call, me, party === "agent" ? "mute_agent" : "mute_customer");
  const others = party === "agent" ? "the customer" : "the agent";
  return (
    <ActButton
      icon={muted ? VolumeX : party === "agent" ? MicOff : UserRound}
      label={`Mute ${party}`}
      name={`Mute ${party} for everybody`}
      hint={
        muted
          ? `Lets the ${party} be heard again`
          : `${sentenceOf(others)} hears the ${party} no more; you do`
      }
      obstacle={known ? undefined : why}
      on={muted}
      busy={act !== undefined}
      onPress={() => mute.mutate({ party, muted: !known })}
    />
  );
}

const sentenceOf = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);

interface DialogProps {
  call: Call;
  open: boolean;
  onClose: () => void;
}

/** Asks before a call is taken over, by whichever way its upstream has. */
export function TakeOver(props: DialogProps & SpeakingProps) {
  const { call, me, speaking, ...dialog } = props;
  return call.upstream === "livekit" || isTakenForGood(call) ? (
    <TakeOverByVoice {...dialog} call={call} speaking={speaking} />
  ) : (
    <TakeOverByPhone {...dialog} call={call} me={me} />
  );
}

function TakeOverByVoice({
  call,
  speaking,
  open,
  onClose,
}: DialogProps & Pick<SpeakingProps, "speaking">) {
  const talker = useTalker();
  const [tried, setTried] = useState(false);
  const forGood = isTakenForGood(call);
  const close = () => {
    setTried(false);
    onClose();
  };
  const confirm = async () => {
    setTried(true);
    if (await talker.takeOver(call.id, forGood)) close();
  };
  const hears = `${customerLabel(call)} hears you in place of ${agentLabel(call)}`;
  const description = forGood
    ? `${hears}. ${upstreamName(call.upstream)} ends ${agentLabel(call)}'s part for good: the call cannot be handed back, and it is over when you leave it. Your microphone is asked for first.`
    : `${hears}, until you hand the call back. Your microphone is asked for first.`;
  return (
    <Confirm
      open={open}
      onOpenChange={(next) => !next && close()}
      title="Take the call over?"
      description={description}
      act={forGood ? "Take over for good" : "Take over"}
      destroys={forGood}
      pending={speaking?.act === "takeover"}
      error={tried && speaking?.act === undefined ? speaking?.error : undefined}
      onConfirm={() => void confirm()}
    />
  );
}

/** At a vendor: the customer is sent to one's telephone. */
function TakeOverByPhone({ call, me, open, onClose }: DialogProps & Pick<Props, "me">) {
  const take = useTakeOverByPhone(call.id);
  const close = () => {
    take.reset();
    onClose();
  };
  const where = me.forwardingNumber ?? "your forwarding number, which is not set yet";
  return (
    <Confirm
      open={open}
      onOpenChange={(next) => !next && close()}
      title="Take the call over?"
      description={`${agentLabel(call)} is muted, and ${upstreamName(call.upstream)} sends ${customerLabel(call)} to ${where}. ${upstreamName(call.upstream)} may end the agent's part for good then.`}
      act="Take over"
      destroys={false}
      pending={take.isPending}
      error={take.isError ? attemptTrouble("takeover", take.error) : undefined}
      onConfirm={() => take.mutate(undefined, { onSuccess: close })}
    />
  );
}

function End({ call, open, onClose }: DialogProps) {
  const end = useEndCall(call.id);
  const close = () => {
    end.reset();
    onClose();
  };
  return (
    <Confirm
      open={open}
      onOpenChange={(next) => !next && close()}
      title="End the call?"
      description={`The call between ${customerLabel(call)} and ${agentLabel(call)} ends now, for everybody in it. Nobody can undo that.`}
      act="End call"
      pending={end.isPending}
      error={end.isError ? attemptTrouble("end", end.error) : undefined}
      onConfirm={() => end.mutate(undefined, { onSuccess: close })}
    />
  );
}
