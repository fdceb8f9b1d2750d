import { useState, type ReactNode } from "react";
import type { ControlProps, Field } from "@/components/form";
import { Input } from "@/components/ui/input";
import { Select } from "@/components/ui/select";
import type { Agent } from "@/wire/Agent";

/** How the API names a colleague whom a call goes to. */
const USER = "user:";

type Where = "colleague" | "number";

/** Whom a call goes to, while it is chosen. */
export interface CallTarget {
  /** As the API takes it; empty while nobody is chosen. */
  to: string;
  where: Where;
  number: string;
  colleague: string;
  /** Colleagues with the words for them. */
  colleagues: readonly (readonly [string, string])[];
  setWhere: (where: Where) => void;
  setNumber: (number: string) => void;
  setColleague: (userId: string) => void;
  /** Shows what was kept of it. */
  keep: (to: string) => void;
}

/** A choice among these people and all telephones, which begins with `kept` if there is one. */
export function useCallTarget(people: readonly Agent[], usual: Where, kept = ""): CallTarget {
  const keptUser = kept.startsWith(USER) ? kept.slice(USER.length) : "";
  const keptWhere = kept === "" ? undefined : keptUser === "" ? "number" : "colleague";
  const [where, setWhere] = useState<Where | undefined>(keptWhere);
  const [number, setNumber] = useState(keptUser === "" ? kept : "");
  const [chosen, setColleague] = useState(keptUser);
  const colleagues = people.map(({ userId, name, status }): readonly [string, string] => [
    userId,
    `${name} (${status})`,
  ]);
  if (keptUser !== "" && !people.some(({ userId }) => userId === keptUser)) {
    colleagues.push([keptUser, "Somebody who is no agent now"]);
  }
  const known = colleagues.some(([userId]) => userId === chosen);
  const colleague = known ? chosen : (colleagues[0]?.[0] ?? "");
  const at = where ?? usual;
  const to = at === "number" ? number.trim() : colleague === "" ? "" : `${USER}${colleague}`;
  const keep = (now: string) => {
    if (!now.startsWith(USER)) setNumber(now);
  };
  return { to, keep, where: at, number, colleague, colleagues, setWhere, setNumber, setColleague };
}

interface Props {
  target: CallTarget;
  /** How a form's line looks where this stands. */
  Line: typeof Field;
  /** What a telephone is named by. */
  number: string;
  /** What is wrong with the choice. */
  error?: string | undefined;
  className?: string;
}

/** A colleague, or a telephone. */
export function CallTargetFields({ target, Line, number, error, className }: Props): ReactNode {
  const { where, colleagues } = target;
  const nobody = colleagues.length === 0 ? "There is nobody else." : undefined;
  return (
    <>
      <Line name="To">
        {(props: ControlProps) => (
          <Select
            {...props}
            value={where}
            className={className}
            options={[
              ["colleague", "A colleague"],
              ["number", "A telephone"],
            ]}
            onChange={target.setWhere}
          />
        )}
      </Line>
      {where === "colleague" ? (
        <Line name="Colleague" error={nobody ?? error}>
          {(props: ControlProps) => (
            <Select
              {...props}
              value={target.colleague}
              className={className}
              options={colleagues}
              onChange={target.setColleague}
            />
          )}
        </Line>
      ) : (
        <Line name={number} error={error}>
          {(props: ControlProps) => (
            <Input
              {...props}
              value={target.number}
              className={className}
              maxLength={200}
              autoComplete="off"
              placeholder="+49301234567"
              onChange={(event) => target.setNumber(event.target.value)}
            />
          )}
        </Line>
      )}
    </>
  );
}
