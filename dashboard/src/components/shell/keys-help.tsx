import { Dialog } from "@/components/ui/dialog";
import { Kbd } from "@/components/ui/kbd";

const KEYS: readonly (readonly [readonly string[], string])[] = [
  [["↑", "↓"], "Choose a call"],
  [["Enter"], "Open the chosen call"],
  [["Esc"], "Close it"],
  [["L"], "Listen, or stop listening"],
  [["M"], "Mute what you hear of it"],
  [["R"], "Pause or resume its recording"],
  [["/"], "Search"],
  [["Space"], "Play or pause a recording"],
  [["←", "→"], "Five seconds back or on in a recording"],
  [["[", "]"], "Slower or faster"],
  [["1"], "Mute the first side of a recording, 2 the second"],
  [["?"], "These keys"],
];

interface Props {
  open: boolean;
  onOpenChange: (open: boolean) => void;
}

export function KeysHelp(props: Props) {
  return (
    <Dialog
      {...props}
      title="Keys"
      description="Everything on the Live page works without a mouse."
    >
      <dl className="mt-4 grid gap-1.5">
        {KEYS.map(([keys, what]) => (
          <div key={what} className="flex items-center justify-between gap-4">
            <dt className="text-ink-soft">{what}</dt>
            <dd className="flex gap-1">
              {keys.map((key) => (
                <Kbd key={key}>{key}</Kbd>
              ))}
            </dd>
          </div>
        ))}
      </dl>
    </Dialog>
  );
}
