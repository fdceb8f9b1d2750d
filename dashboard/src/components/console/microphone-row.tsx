import { Mic, MicOff } from "lucide-react";
import { useEffect, useState } from "react";
import { chosenDevice, keepDevice, useTalker } from "@/audio/context";
import { listMicrophones, type Device } from "@/audio/microphone";
import type { Speaking } from "@/audio/talker";
import { Meter } from "@/components/level-meter";
import { Select } from "@/components/ui/select";
import { isTakenForGood, obstacle } from "@/lib/supervision-words";
import type { Call } from "@/wire/Call";
import type { Me } from "@/wire/Me";
import { ActButton } from "./act-button";

interface Props {
  call: Call;
  me: Me;
  speaking: Speaking | undefined;
}

/** Arms the microphone; which one it is, and how loud. */
export function MicrophoneRow({ call, me, speaking }: Props) {
  const talker = useTalker();
  const armed = speaking?.phase === "armed";
  const busy = speaking?.phase === "asking" || speaking?.phase === "arming";
  const forGood = isTakenForGood(call);
  const holding = forGood
    ? "You have the call: it is over without your microphone."
    : "You have the call. Hand it back first.";
  const why =
    speaking?.holds === true ? holding : obstacle(call, me, forGood ? "takeover" : "barge");
  return (
    <div className="grid grid-cols-3 items-center gap-2">
      <ActButton
        icon={armed ? MicOff : Mic}
        label={armed ? "Disarm" : "Arm"}
        name={armed ? "Disarm the microphone" : "Arm the microphone"}
        hint={
          armed
            ? "Closes your microphone"
            : "Opens your microphone. Nobody hears you until you whisper, barge in or take over"
        }
        obstacle={armed || busy ? (speaking.holds ? why : undefined) : why}
        on={armed}
        busy={busy}
        onPress={() => void (armed || busy ? talker.disarm(call.id) : talker.arm(call.id))}
      />
      <Devices named={armed} />
      <span className="grid gap-1">
        <span className="truncate text-2xs text-ink-soft">Your microphone</span>
        <Meter read={talker.level} tone="bg-good" className="h-1.5" />
      </span>
    </div>
  );
}

/** The choice of microphones. Browsers name them only after one was permitted. */
function Devices({ named }: { named: boolean }) {
  const talker = useTalker();
  const [chosen, setChosen] = useState(chosenDevice);
  const [devices, setDevices] = useState<readonly Device[]>([]);
  useEffect(() => {
    let current = true;
    const look = () => {
      listMicrophones().then(
        (found) => current && setDevices(found),
        () => undefined, // as if there were none to choose from
      );
    };
    look();
    const source = navigator.mediaDevices as MediaDevices | undefined;
    source?.addEventListener("devicechange", look);
    return () => {
      current = false;
      source?.removeEventListener("devicechange", look);
    };
  }, [named]);
  const known = devices.filter(({ id }) => id !== "default");
  const value = known.some(({ id }) => id === chosen) ? chosen : "";
  return (
    <Select
      aria-label="Microphone"
      value={value}
      className="h-7 text-xs"
      options={[["", "Default microphone"], ...known.map(({ id, name }) => [id, name] as const)]}
      onChange={(id) => {
        setChosen(id);
        keepDevice(id);
        void talker.choose(id === "" ? undefined : id);
      }}
    />
  );
}
