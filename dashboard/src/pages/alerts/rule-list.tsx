import { Pencil, Trash2 } from "lucide-react";
import { useState } from "react";
import { useRemoveRule, useSaveRule } from "@/api/alerts";
import { errorText } from "@/api/client";
import { SeverityIcon } from "@/components/alert-bits";
import { Badge } from "@/components/ui/badge";
import { Button } from "@/components/ui/button";
import { Confirm } from "@/components/ui/confirm";
import { Switch } from "@/components/ui/switch";
import type { AlertRule } from "@/wire/AlertRule";
import { conditionText } from "./rule-form";

interface Props {
  rules: readonly AlertRule[];
  may: boolean;
  onEdit: (rule: AlertRule) => void;
}

export function RuleList({ rules, may, onEdit }: Props) {
  const [asked, setAsked] = useState<AlertRule>();
  const remove = useRemoveRule();
  return (
    <>
      <ul className="divide-y divide-line">
        {rules.map((rule) => (
          <RuleLine
            key={rule.id}
            rule={rule}
            may={may}
            onEdit={() => onEdit(rule)}
            onRemove={() => setAsked(rule)}
          />
        ))}
      </ul>
      <Confirm
        open={asked !== undefined}
        onOpenChange={() => {
          setAsked(undefined);
          remove.reset();
        }}
        title="Remove the rule?"
        description={`“${asked?.name ?? ""}” is watched no more, for everybody of this client, and what it found is closed. The log stays.`}
        act="Remove"
        pending={remove.isPending}
        error={remove.isError ? errorText(remove.error) : undefined}
        onConfirm={() => {
          if (asked !== undefined) {
            remove.mutate(asked.id, { onSuccess: () => setAsked(undefined) });
          }
        }}
      />
    </>
  );
}

interface RuleLineProps {
  rule: AlertRule;
  may: boolean;
  onEdit: () => void;
  onRemove: () => void;
}

function RuleLine({ rule, may, onEdit, onRemove }: RuleLineProps) {
  const save = useSaveRule();
  const { id, name, severity, condition } = rule;
  const enabled = save.isPending ? save.variables.body.enabled : rule.enabled;
  return (
    <li data-testid="rule" className="flex flex-wrap items-center gap-x-3 gap-y-1 px-4 py-3">
      <SeverityIcon severity={severity} />
      <div className="min-w-0 flex-1">
        <p className="font-medium break-words">{name}</p>
        <p className="break-words text-ink-soft">{conditionText(condition)}</p>
        {save.isError && (
          <p role="alert" className="text-xs text-bad-ink">
            {errorText(save.error)} Nothing was changed.
          </p>
        )}
      </div>
      {may ? (
        <>
          <Switch
            aria-label={`Watch: ${name}`}
            checked={enabled}
            onCheckedChange={(next) =>
              save.mutate({ id, body: { name, severity, condition, enabled: next } })
            }
          />
          <Button variant="quiet" size="icon" aria-label={`Change ${name}`} onClick={onEdit}>
            <Pencil aria-hidden />
          </Button>
          <Button variant="quiet" size="icon" aria-label={`Remove ${name}`} onClick={onRemove}>
            <Trash2 aria-hidden />
          </Button>
        </>
      ) : (
        <Badge>{enabled ? "On" : "Off"}</Badge>
      )}
    </li>
  );
}
