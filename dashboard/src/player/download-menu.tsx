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

/** A part of a recording, and the formats in which it can be had. */
interface Part {
  name: string;
  note?: string;
  wanted: SoundWanted;
  formats: readonly (readonly [SoundWanted["format"], string])[];
}

function partsOf({ recording, nameOf }: Omit<Props, "onTrouble">): Part[] {
  const { format, channels } = recording;
  // what a vendor recorded is had as it came
  if (format !== "ogg") {
    const as = format.toUpperCase();
    return [{ name: "As it was recorded", wanted: {}, formats: [[undefined, as]] }];
  }
  if (channels.length < 2) return [{ name: "The recording", wanted: {}, formats: FORMATS }];
  return [
    { name: "Both sides", wanted: {}, note: "left and right", formats: FORMATS },
    ...channels.map((channel) => ({
      name: `${words(channel.party)} · ${nameOf(channel)}`,
      wanted: { channel: channelParameter(channel) },
      formats: FORMATS,
    })),
    { name: "Everybody", wanted: { channel: "mix" }, note: "mixed", formats: FORMATS },
  ];
}

/** Every form in which a recording can be had. */
export function DownloadMenu({ recording, nameOf, onTrouble }: Props) {
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
      <DropdownMenuContent align="end" className="w-84">
        {partsOf({ recording, nameOf }).map(({ name, wanted, note, formats }) => (
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
            {formats.map(([format, word]) => (
              <DropdownMenuItem
                key={word}
                aria-label={`${name}, ${word}`}
                onSelect={() => get({ ...wanted, ...(format === undefined ? {} : { format }) })}
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
