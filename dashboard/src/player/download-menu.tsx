import { Download } from "lucide-react";
import { download, type SoundWanted } from "@/api/recordings";
import { Button } from "@/components/ui/button";
import {
  DropdownMenu,
  DropdownMenuContent,
  DropdownMenuItem,
  DropdownMenuLabel,
  DropdownMenuTrigger,
} from "@/components/ui/dropdown-menu";
import { size, words } from "@/lib/format";
import type { Channel } from "@/wire/Channel";
import type { Recording } from "@/wire/Recording";
import { isMain } from "./mixing";

const FORMATS = [
  ["ogg", "Ogg Opus"],
  ["wav", "WAV"],
] as const;

/** Name of a channel to the API: the sides by who is there, further ones by their number. */
const channelParameter = (channel: Channel): string =>
  isMain(channel) && channel.party !== "supervisor" ? channel.party : String(channel.index);

interface Props {
  recording: Recording;
  nameOf: (channel: Channel) => string;
  /** Told why it did not work; `undefined` before the next try. */
  onTrouble: (error: unknown) => void;
}

/** Every form in which a recording can be had. */
export function DownloadMenu({ recording, nameOf, onTrouble }: Props) {
  const parts: { name: string; wanted: SoundWanted; note?: string }[] = [
    { name: "Both sides", wanted: {}, note: "left and right" },
    ...recording.channels.map((channel) => ({
      name: `${words(channel.party)} · ${nameOf(channel)}`,
      wanted: { channel: channelParameter(channel) },
    })),
    { name: "Everybody mixed", wanted: { channel: "mix" }, note: "mono" },
  ];
  const get = (wanted: SoundWanted) => {
    onTrouble(undefined);
    download(recording.audioUrl, wanted).catch(onTrouble);
  };
  return (
    <DropdownMenu>
      <DropdownMenuTrigger asChild>
        <Button variant="quiet" aria-label={`Download, ${size(recording.bytes)}`}>
          <Download aria-hidden />
          {size(recording.bytes)}
        </Button>
      </DropdownMenuTrigger>
      <DropdownMenuContent align="end" className="max-w-72">
        {parts.map(({ name, wanted, note }) => (
          <div
            key={wanted.channel ?? "both"}
            role="group"
            aria-label={name}
            className="flex items-center gap-1"
          >
            <DropdownMenuLabel className="min-w-0 flex-1 truncate">
              {name}
              {note !== undefined && <span className="text-ink-faint"> {note}</span>}
            </DropdownMenuLabel>
            {FORMATS.map(([format, word]) => (
              <DropdownMenuItem
                key={format}
                aria-label={`${name}, ${word}`}
                onSelect={() => get({ ...wanted, format })}
              >
                {word}
              </DropdownMenuItem>
            ))}
          </div>
        ))}
      </DropdownMenuContent>
    </DropdownMenu>
  );
}
