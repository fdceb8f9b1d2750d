import { Plus, X } from "lucide-react";
import { useState, type KeyboardEvent } from "react";
import { errorText } from "@/api/client";
import { useSetTags } from "@/api/notes";
import { mayWriteAbout } from "@/api/session";
import { Badge } from "@/components/ui/badge";
import { Button } from "@/components/ui/button";
import { Input } from "@/components/ui/input";
import type { Call } from "@/wire/Call";
import type { Me } from "@/wire/Me";
import { CallSection } from "./section";

/** Characters of a tag, at most. */
const TAG_MAX = 64;

/** A call's tags, to be added and taken away where the role may. */
export function TagsEditor({ call, me }: { call: Call; me: Me }) {
  const setTags = useSetTags(call);
  const [adding, setAdding] = useState(false);
  const may = mayWriteAbout(call, me);
  if (!may && call.tags.length === 0) return null;
  const add = (text: string) => {
    const tag = text.split(/\s+/).join(" ").toLowerCase(); // as the server keeps them
    if (!call.tags.includes(tag)) setTags.mutate([...call.tags, tag]);
  };
  return (
    <CallSection title="Tags">
      <div className="flex flex-wrap items-center gap-1">
        {call.tags.map((tag) => (
          <Badge key={tag} tone="outline" className="max-w-full">
            <span className="truncate">{tag}</span>
            {may && (
              <button
                type="button"
                aria-label={`Remove the tag ${tag}`}
                onClick={() => setTags.mutate(call.tags.filter((each) => each !== tag))}
                className="-mr-1 rounded-[3px] hover:bg-hover hover:text-ink"
              >
                <X aria-hidden />
              </button>
            )}
          </Badge>
        ))}
        {may &&
          (adding ? (
            <NewTag onAdd={add} onClose={() => setAdding(false)} />
          ) : (
            <Button
              variant="quiet"
              className="h-[18px] px-1 text-2xs [&_svg]:size-3"
              onClick={() => setAdding(true)}
            >
              <Plus aria-hidden />
              Add tag
            </Button>
          ))}
      </div>
      {setTags.isError && (
        <p role="alert" className="mt-2 text-bad-ink">
          {errorText(setTags.error)} The tags are as they were.
        </p>
      )}
    </CallSection>
  );
}

interface NewTagProps {
  onAdd: (tag: string) => void;
  onClose: () => void;
}

/** Enter adds and lets the next one be typed; Esc is enough. */
function NewTag({ onAdd, onClose }: NewTagProps) {
  const [text, setText] = useState("");
  const add = () => {
    if (text.trim() !== "") onAdd(text.trim());
    setText("");
  };
  const press = (event: KeyboardEvent) => {
    if (event.key === "Enter" || event.key === ",") {
      event.preventDefault();
      add();
    }
    if (event.key === "Escape") {
      event.stopPropagation();
      onClose();
    }
  };
  return (
    <Input
      autoFocus
      aria-label="New tag"
      placeholder="New tag"
      maxLength={TAG_MAX}
      value={text}
      className="h-6 w-28 text-xs"
      onChange={(event) => setText(event.target.value)}
      onKeyDown={press}
      onBlur={() => {
        add();
        onClose();
      }}
    />
  );
}
