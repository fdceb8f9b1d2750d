import { useState } from "react";
import { useAgents } from "@/api/agents";
import { useFallback, useSetFallback } from "@/api/supervision";
import { CallTargetFields, useCallTarget } from "@/components/call-target";
import { Field, SaveLine } from "@/components/form";
import { Card, Section } from "@/components/page";
import { Loaded } from "@/components/states";
import { Select } from "@/components/ui/select";
import { formErrors } from "@/lib/form";
import type { Agent } from "@/wire/Agent";
import type { Fallback } from "@/wire/Fallback";
import type { FallbackAct } from "@/wire/FallbackAct";

const ACTS: readonly (readonly [FallbackAct, string])[] = [
  ["hand_back", "Nothing more"],
  ["transfer", "Ring somebody"],
  ["end", "End the call"],
];

const TEXTS: Record<FallbackAct, string> = {
  hand_back: "The agent goes on with the customer.",
  transfer:
    "Whoever is rung has the call when they answer within 30 seconds. Else the agent keeps it.",
  end: "The call ends for everybody in it.",
};

/** What becomes of a call whose supervisor is lost. */
export function SupervisionSettings() {
  const fallback = useFallback();
  const agents = useAgents();
  return (
    <Section
      title="When a supervisor is lost"
      text="Whoever has a call and gives no sound for 5 seconds, or whose browser is gone, is lost. The agent has the call again at once."
    >
      <Loaded query={fallback} what="The settings">
        {(saved) => (
          <Loaded query={agents} what="The agents">
            {(people) => <FallbackForm saved={saved} people={people} />}
          </Loaded>
        )}
      </Loaded>
    </Section>
  );
}

interface FormProps {
  saved: Fallback;
  people: readonly Agent[];
}

function FallbackForm({ saved, people }: FormProps) {
  const save = useSetFallback();
  const [act, setAct] = useState(saved.act);
  const target = useCallTarget(people, people.length > 0 ? "colleague" : "number", saved.to);
  const rings = act === "transfer";
  const wanted: Fallback = rings ? { act, to: target.to } : { act };
  const same = wanted.act === saved.act && wanted.to === saved.to;
  const errors = formErrors(save.error, ["to"]);
  return (
    <form
      noValidate
      onChange={save.reset}
      onSubmit={(event) => {
        event.preventDefault();
        save.mutate(wanted, { onSuccess: ({ to }) => to !== undefined && target.keep(to) });
      }}
    >
      <Card className="divide-y divide-line">
        <Field name="What is done then" text={TEXTS[act]}>
          {(props) => (
            <Select {...props} value={act} className="w-56" options={ACTS} onChange={setAct} />
          )}
        </Field>
        {rings && (
          <CallTargetFields
            Line={Field}
            target={target}
            number="Number"
            error={errors.of("to")}
            className="w-56"
          />
        )}
      </Card>
      <SaveLine
        save={{ ...save, isError: errors.general !== undefined }}
        disabled={same || wanted.to === ""}
      />
    </form>
  );
}
