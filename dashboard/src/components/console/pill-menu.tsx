import { Check, MessageSquareText } from "lucide-react";
import { useEffect } from "react";
import { usePills } from "@/api/campaigns";
import type { useWhisper } from "@/api/supervision";
import { Button } from "@/components/ui/button";
import {
  DropdownMenu,
  DropdownMenuContent,
  DropdownMenuItem,
  DropdownMenuTrigger,
} from "@/components/ui/dropdown-menu";
import { obstacle } from "@/lib/supervision-words";
import type { Call } from "@/wire/Call";
import type { Me } from "@/wire/Me";
import { ActButton } from "./act-button";

/** How long it is told that the agent has a message. */
const SENT_MS = 2_500;

interface Props {
  call: Call;
  me: Me;
  whisper: ReturnType<typeof useWhisper>;
}

/** The tenant's quick messages, where there is no room for all of them. */
export function PillMenu({ call, me, whisper }: Props) {
  const pills = usePills().data ?? [];
  const { isSuccess, reset } = whisper;
  useEffect(() => {
    if (!isSuccess) return;
    const told = setTimeout(reset, SENT_MS);
    return () => clearTimeout(told);
  }, [isSuccess, reset]);
  const none = "There are no quick messages. Add some in the settings.";
  const why = obstacle(call, me, "whisper_text") ?? (pills.length === 0 ? none : undefined);
  const label = isSuccess ? "Sent" : "Message";
  if (why !== undefined || whisper.isPending) {
    return (
      <ActButton
        icon={MessageSquareText}
        label={label}
        hint="Sends the agent a quick message"
        obstacle={why}
        busy={whisper.isPending}
      />
    );
  }
  return (
    <DropdownMenu>
      <DropdownMenuTrigger asChild>
        <Button title="Sends the agent a quick message" className="w-full min-w-0">
          {isSuccess ? <Check aria-hidden /> : <MessageSquareText aria-hidden />}
          <span role="status" className="truncate">
            {label}
          </span>
        </Button>
      </DropdownMenuTrigger>
      <DropdownMenuContent align="end" className="max-h-72 max-w-72 overflow-y-auto">
        {pills.map(({ text, label: short }) => (
          <DropdownMenuItem key={text} title={text} onSelect={() => whisper.mutate(text)}>
            <span className="truncate">{short ?? text}</span>
          </DropdownMenuItem>
        ))}
      </DropdownMenuContent>
    </DropdownMenu>
  );
}
