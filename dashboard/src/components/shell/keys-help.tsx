import { Dialog } from "@/components/ui/dialog";
import { Kbd } from "@/components/ui/kbd";
import { pagesFor } from "@/pages/registry";
import type { Me } from "@/wire/Me";
import { isMac } from "./shell-keys";

type Line = readonly [readonly string[], string];

const EVERYWHERE: readonly Line[] = [
  [[isMac ? "⌘" : "Ctrl", "K"], "Go to, find, do"],
  [["/"], "Search"],
  [["?"], "These keys"],
];

const CALLS: readonly Line[] = [
  [["↑", "↓"], "Choose a call"],
  [["Enter"], "Open the chosen call"],
  [["Esc"], "Close it"],
  [["L"], "Listen, or stop listening"],
  [["M"], "Mute what you hear of it"],
  [["R"], "Pause or resume its recording"],
];

const TILES: readonly Line[] = [
  [["←", "→"], "Choose the tile beside"],
  [["1", "9"], "Hear a tile alone, or all again"],
];

const SUPERVISION: readonly Line[] = [
  [["W"], "Hold to whisper to the agent"],
  [["T"], "Take the call over"],
  [["H"], "Hand it back"],
];

const RECORDINGS: readonly Line[] = [
  [["Space"], "Play or pause"],
  [["←", "→"], "Five seconds back or on"],
  [["[", "]"], "Slower or faster"],
  [["1"], "Mute the first side, 2 the second"],
];

interface Props {
  me: Me;
  open: boolean;
  onOpenChange: (open: boolean) => void;
}

export function KeysHelp({ me, ...props }: Props) {
  const pages = pagesFor(me).map(({ name, key }): Line => [["G", key.toUpperCase()], name]);
  return (
    <Dialog {...props} wide title="Keys" description="Everything here works without a mouse.">
      <div className="mt-4 grid gap-x-8 gap-y-5 sm:grid-cols-2">
        <div className="grid content-start gap-5">
          <Group title="Everywhere" lines={EVERYWHERE} />
          <Group title="Go to" lines={pages} />
        </div>
        <div className="grid content-start gap-5">
          <Group title="Calls" lines={CALLS} />
          <Group title="Among tiles" lines={TILES} />
          <Group title="In the open call, or the chosen tile" lines={SUPERVISION} />
          <Group title="In a recording" lines={RECORDINGS} />
        </div>
      </div>
    </Dialog>
  );
}

function Group({ title, lines }: { title: string; lines: readonly Line[] }) {
  return (
    <section>
      <h3 className="mb-1.5 text-xs font-medium text-ink-faint">{title}</h3>
      <dl className="grid gap-1.5">
        {lines.map(([keys, what]) => (
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
    </section>
  );
}
