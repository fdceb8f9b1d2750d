import { ArrowDown, ArrowUp, Plus, Trash2 } from "lucide-react";
import { useRef, useState } from "react";
import { usePills, useSetPills } from "@/api/campaigns";
import { SaveLine } from "@/components/form";
import { Card, Section } from "@/components/page";
import { Loaded } from "@/components/states";
import { Button } from "@/components/ui/button";
import { Input } from "@/components/ui/input";
import {
  editedPills,
  isChanged,
  MAX_LABEL,
  MAX_PILLS,
  MAX_TEXT,
  moved,
  newPill,
  readPills,
  type EditedPill,
} from "@/lib/pills";
import type { WhisperPill } from "@/wire/WhisperPill";

/** The quick messages for agents. */
export function Pills() {
  const pills = usePills();
  return (
    <Section
      title="Quick messages"
      text="What supervisors send to an agent with one click, in this order. The customer never sees or hears them."
    >
      <Loaded query={pills} what="The quick messages">
        {(stored) => <PillForm stored={stored} />}
      </Loaded>
    </Section>
  );
}

function PillForm({ stored }: { stored: readonly WhisperPill[] }) {
  const save = useSetPills();
  const [pills, setPills] = useState(() => editedPills(stored));
  const [said, setSaid] = useState("");
  const list = useRef<HTMLOListElement>(null);
  const change = (next: EditedPill[]) => {
    setPills(next);
    save.reset();
  };
  const move = (from: number, to: number) => {
    change(moved(pills, from, to));
    setSaid(`Moved to place ${to + 1} of ${pills.length}`);
  };
  const add = () => {
    change([...pills, newPill()]);
    requestAnimationFrame(() => {
      list.current?.querySelector<HTMLInputElement>("li:last-child input")?.focus();
    });
  };
  return (
    <form
      noValidate
      onSubmit={(event) => {
        event.preventDefault();
        save.mutate(readPills(pills), { onSuccess: (now) => setPills(editedPills(now)) });
      }}
    >
      <Card>
        <ol ref={list} className="divide-y divide-line">
          {pills.map((pill, at) => (
            <PillRow
              key={pill.key}
              pill={pill}
              place={at}
              last={at === pills.length - 1}
              onChange={(next) => change(pills.with(at, next))}
              onMove={(to) => move(at, to)}
              onRemove={() => change(pills.toSpliced(at, 1))}
            />
          ))}
          {pills.length === 0 && <li className="px-4 py-6 text-center text-ink-soft">None yet.</li>}
        </ol>
        <div className="border-t border-line p-2">
          <Button variant="quiet" disabled={pills.length >= MAX_PILLS} onClick={add}>
            <Plus aria-hidden />
            Add a message
          </Button>
        </div>
      </Card>
      <span role="status" className="sr-only">
        {said}
      </span>
      <SaveLine save={save} disabled={!isChanged(pills, stored)} />
    </form>
  );
}

interface RowProps {
  pill: EditedPill;
  place: number;
  last: boolean;
  onChange: (pill: EditedPill) => void;
  onMove: (to: number) => void;
  onRemove: () => void;
}

function PillRow({ pill, place, last, onChange, onMove, onRemove }: RowProps) {
  const name = `message ${place + 1}`;
  return (
    <li className="flex items-center gap-2 py-2 pr-2 pl-4">
      <span className="w-5 shrink-0 text-ink-faint tabular-nums">{place + 1}</span>
      <Input
        aria-label={`Text of ${name}`}
        placeholder="What the agent reads"
        maxLength={MAX_TEXT}
        value={pill.text}
        onChange={(event) => onChange({ ...pill, text: event.target.value })}
      />
      <Input
        aria-label={`Button of ${name}`}
        placeholder="Short, for the button"
        maxLength={MAX_LABEL}
        value={pill.label}
        className="w-48 shrink-0"
        onChange={(event) => onChange({ ...pill, label: event.target.value })}
      />
      <span className="flex shrink-0">
        <Button
          variant="quiet"
          size="icon"
          aria-label={`Move ${name} up`}
          aria-disabled={place === 0}
          onClick={() => place > 0 && onMove(place - 1)}
        >
          <ArrowUp aria-hidden />
        </Button>
        <Button
          variant="quiet"
          size="icon"
          aria-label={`Move ${name} down`}
          aria-disabled={last}
          onClick={() => !last && onMove(place + 1)}
        >
          <ArrowDown aria-hidden />
        </Button>
        <Button variant="quiet" size="icon" aria-label={`Remove ${name}`} onClick={onRemove}>
          <Trash2 aria-hidden />
        </Button>
      </span>
    </li>
  );
}
