import { ChevronRight } from "lucide-react";
import { useState, type SyntheticEvent } from "react";
import { useSaveRule } from "@/api/alerts";
import { FormDialogFoot, StackedField } from "@/components/form";
import { Dialog } from "@/components/ui/dialog";
import { Input } from "@/components/ui/input";
import { Select } from "@/components/ui/select";
import { Textarea } from "@/components/ui/textarea";
import type { AlertKind } from "@/wire/AlertKind";
import type { AlertRule } from "@/wire/AlertRule";
import {
  formFor,
  formOf,
  KIND_OPTIONS,
  KINDS,
  readCondition,
  readRule,
  SEVERITIES,
  withKind,
  type RuleErrors,
  type RuleForm,
} from "./rule-form";
import { RulePreview } from "./rule-preview";

interface Props {
  /** The rule to change; without one, a new one is made. */
  rule: AlertRule | undefined;
  onClose: () => void;
}

/** Makes or changes a rule, and says what it would have found. */
export function RuleDialog({ rule, onClose }: Props) {
  const save = useSaveRule();
  const [form, setForm] = useState(() =>
    rule === undefined ? formFor("concurrent_calls") : formOf(rule),
  );
  const [tried, setTried] = useState(false);
  const result = readRule(form);
  const errors = tried && "errors" in result ? result.errors : {};
  const condition = readCondition(form);
  const set = (part: Partial<RuleForm>) => {
    setForm({ ...form, ...part });
    save.reset();
  };
  const submit = (event: SyntheticEvent) => {
    event.preventDefault();
    setTried(true);
    if ("body" in result) save.mutate({ id: rule?.id, body: result.body }, { onSuccess: onClose });
  };
  return (
    <Dialog
      open
      wide
      onOpenChange={onClose}
      title={rule === undefined ? "New alert rule" : "Change the rule"}
      description={KINDS[form.kind].about}
    >
      <form noValidate onSubmit={submit} className="mt-4 grid gap-4">
        <Kind form={form} set={set} onKind={(kind) => setForm(withKind(form, kind))} />
        <Condition form={form} errors={errors} set={set} />
        <StackedField name="Name" error={errors.name}>
          {(props) => (
            <Input
              {...props}
              maxLength={200}
              value={form.name}
              onChange={(event) => set({ name: event.target.value })}
            />
          )}
        </StackedField>
        <Fine form={form} errors={errors} set={set} />
        <RulePreview condition={"condition" in condition ? condition.condition : undefined} />
        <FormDialogFoot
          act={rule === undefined ? "Make the rule" : "Save"}
          save={save}
          onCancel={onClose}
        />
      </form>
    </Dialog>
  );
}

interface PartProps {
  form: RuleForm;
  errors: RuleErrors;
  set: (part: Partial<RuleForm>) => void;
}

interface KindProps extends Omit<PartProps, "errors"> {
  onKind: (kind: AlertKind) => void;
}

/** What is watched, and how bad it is. */
function Kind({ form, set, onKind }: KindProps) {
  return (
    <div className="grid gap-4 sm:grid-cols-2">
      <StackedField name="What is watched">
        {(props) => (
          <Select {...props} value={form.kind} options={KIND_OPTIONS} onChange={onKind} />
        )}
      </StackedField>
      <StackedField name="How bad it is">
        {(props) => (
          <Select
            {...props}
            value={form.severity}
            options={SEVERITIES}
            onChange={(severity) => set({ severity })}
          />
        )}
      </StackedField>
    </div>
  );
}

/** What the kind needs to know. */
function Condition({ form, errors, set }: PartProps) {
  return (
    <>
      {form.kind === "keyword" && (
        <StackedField
          name="Words or phrases"
          text="One a line; found whole, in whatever case."
          error={errors.keywords}
        >
          {(props) => (
            <Textarea
              {...props}
              rows={3}
              value={form.keywords}
              onChange={(event) => set({ keywords: event.target.value })}
            />
          )}
        </StackedField>
      )}
      <div className="grid gap-4 sm:grid-cols-2">
        <NumberField
          name={KINDS[form.kind].threshold}
          field="threshold"
          form={form}
          errors={errors}
          set={set}
        />
        {form.kind === "failed_calls" && (
          <NumberField
            name="Within seconds"
            field="windowSeconds"
            form={form}
            errors={errors}
            set={set}
          />
        )}
      </div>
    </>
  );
}

/** What most rules do well without: against alerts that come and go. */
function Fine({ form, errors, set }: PartProps) {
  const wrong = ["clearThreshold", "forSeconds", "clearForSeconds", "cooldownSeconds"] as const;
  const [open, setOpen] = useState(false);
  const shown = open || wrong.some((field) => errors[field] !== undefined);
  return (
    <details open={shown} onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary className="group flex w-fit cursor-pointer list-none items-center gap-1 rounded text-xs font-medium text-ink-soft hover:text-ink">
        <ChevronRight
          aria-hidden
          className="size-3.5 transition-transform [details[open]_&]:rotate-90"
        />
        When it fires and clears
      </summary>
      <div className="mt-3 grid gap-4 sm:grid-cols-2">
        <NumberField
          name="So for seconds before it fires"
          field="forSeconds"
          form={form}
          errors={errors}
          set={set}
        />
        <NumberField
          name="Clears at"
          text="Empty: as soon as the threshold is no longer reached."
          field="clearThreshold"
          form={form}
          errors={errors}
          set={set}
        />
        <NumberField
          name="Not so for seconds before it clears"
          field="clearForSeconds"
          form={form}
          errors={errors}
          set={set}
        />
        <NumberField
          name="Seconds before it may fire again"
          field="cooldownSeconds"
          form={form}
          errors={errors}
          set={set}
        />
      </div>
    </details>
  );
}

interface NumberFieldProps extends PartProps {
  name: string;
  text?: string;
  field:
    | "threshold"
    | "clearThreshold"
    | "forSeconds"
    | "clearForSeconds"
    | "cooldownSeconds"
    | "windowSeconds";
}

function NumberField({ name, text, field, form, errors, set }: NumberFieldProps) {
  return (
    <StackedField name={name} text={text} error={errors[field]}>
      {(props) => (
        <Input
          {...props}
          inputMode="decimal"
          maxLength={12}
          value={form[field]}
          className="tabular-nums"
          onChange={(event) => set({ [field]: event.target.value })}
        />
      )}
    </StackedField>
  );
}
