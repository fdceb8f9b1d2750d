import { LoaderCircle } from "lucide-react";
import { useState, type SyntheticEvent } from "react";
import { errorText } from "@/api/client";
import { useSetRetention, type Retention, type RetentionChange } from "@/api/recordings";
import { Field, Toggle } from "@/components/form";
import { Button } from "@/components/ui/button";
import { Confirm } from "@/components/ui/confirm";
import { Input } from "@/components/ui/input";
import {
  destruction,
  formOf,
  MAX_DAYS,
  MAX_RESUME_SECONDS,
  newSecret,
  read,
  type RetentionForm,
} from "@/lib/retention";

interface Props {
  saved: Retention;
  tenant: string;
}

/** How long recordings are kept, what pauses them, and what is left out of transcripts. */
export function RecordingSettings({ saved, tenant }: Props) {
  const save = useSetRetention();
  const [form, setForm] = useState(() => formOf(saved));
  const [asked, setAsked] = useState<{ change: RetentionChange; text: string }>();
  const [tried, setTried] = useState(false);
  const result = read(form);
  const errors = tried && "errors" in result ? result.errors : {};
  const set = (part: Partial<RetentionForm>) => {
    setForm({ ...form, ...part });
    save.reset();
  };
  const send = (change: RetentionChange) =>
    save.mutate(change, {
      onSuccess: (now) => {
        setForm(formOf(now));
        setAsked(undefined);
        setTried(false);
      },
    });
  const submit = (event: SyntheticEvent) => {
    event.preventDefault();
    setTried(true);
    if ("errors" in result) return;
    const text = destruction(saved, result.change);
    if (text === undefined) send(result.change);
    else setAsked({ change: result.change, text });
  };
  return (
    <section aria-labelledby="recording-settings">
      <h2 id="recording-settings" className="text-sm font-semibold">
        Recording
      </h2>
      <p className="text-ink-soft">For all calls of {tenant}.</p>
      <form noValidate onSubmit={submit} className="mt-4">
        <div className="divide-y divide-line rounded-lg border border-line bg-surface">
          <Keeping form={form} errors={errors} set={set} />
          <Pausing form={form} errors={errors} set={set} />
        </div>
        <div className="mt-4 flex min-h-8 items-center gap-3">
          <Button type="submit" variant="primary" size="md" disabled={save.isPending}>
            {save.isPending && <LoaderCircle aria-hidden className="animate-spin" />}
            Save
          </Button>
          {save.isSuccess && (
            <span role="status" className="text-good-ink">
              Saved.
            </span>
          )}
          {save.isError && asked === undefined && (
            <span role="alert" className="text-bad-ink">
              {errorText(save.error)} Nothing was changed.
            </span>
          )}
        </div>
      </form>
      <Confirm
        open={asked !== undefined}
        onOpenChange={() => setAsked(undefined)}
        title="Erase older recordings?"
        description={asked?.text ?? ""}
        act="Save and erase"
        pending={save.isPending}
        error={save.isError ? errorText(save.error) : undefined}
        onConfirm={() => {
          if (asked !== undefined) send(asked.change);
        }}
      />
    </section>
  );
}

interface PartProps {
  form: RetentionForm;
  errors: Partial<Record<string, string>>;
  set: (part: Partial<RetentionForm>) => void;
}

function Keeping({ form, errors, set }: PartProps) {
  return (
    <>
      <Toggle
        name="Keep recordings for ever"
        text="Off: each is erased when its time is over, with its transcript."
        checked={form.forever}
        onChange={(forever) => set({ forever })}
      />
      {!form.forever && (
        <Field name="Days to keep" text="Counted from the end of the call." error={errors.days}>
          {(props) => (
            <Input
              {...props}
              inputMode="numeric"
              maxLength={String(MAX_DAYS).length}
              value={form.days}
              className="w-28 text-right tabular-nums"
              onChange={(event) => set({ days: event.target.value })}
            />
          )}
        </Field>
      )}
      <Toggle
        name="Legal hold"
        text="While it is on, nothing is erased: not by time, not by admins, not when consent is denied."
        checked={form.legalHold}
        onChange={(legalHold) => set({ legalHold })}
      />
    </>
  );
}

function Pausing({ form, errors, set }: PartProps) {
  return (
    <>
      <Toggle
        name="Pause when a key is pressed"
        text="The first digit on the caller's keypad pauses the recording."
        checked={form.pauseOnDtmf}
        onChange={(pauseOnDtmf) => set({ pauseOnDtmf })}
      />
      <Toggle
        name="End pauses by themselves"
        text="So that a forgotten pause does not cost the rest of the call."
        checked={form.resumes}
        onChange={(resumes) => set({ resumes })}
      />
      {form.resumes && (
        <Field
          name="Seconds until it goes on"
          text={`1 to ${MAX_RESUME_SECONDS}. A pause may set its own.`}
          error={errors.resumeAfterSeconds}
        >
          {(props) => (
            <Input
              {...props}
              inputMode="numeric"
              maxLength={5}
              value={form.resumeAfterSeconds}
              className="w-28 text-right tabular-nums"
              onChange={(event) => set({ resumeAfterSeconds: event.target.value })}
            />
          )}
        </Field>
      )}
      <Toggle
        name="Pause by webhook"
        text="A payment page or phone menu says when card data is spoken: POST /api/webhooks/recording/ and your client’s name, signed as Standard Webhooks are."
        checked={form.webhook}
        onChange={(webhook) => set({ webhook })}
      />
      {form.webhook && <Secret form={form} errors={errors} set={set} />}
      <Redacting form={form} errors={errors} set={set} />
    </>
  );
}

function Redacting({ form, set }: PartProps) {
  return (
    <>
      <Toggle
        name="Leave card numbers out of transcripts"
        text="In digits or in words, before a transcript, or what a vendor makes of it, is stored. The recording is not changed: pause it."
        checked={form.redactCards}
        onChange={(redactCards) => set({ redactCards })}
      />
      <Toggle
        name="Leave phone numbers out of transcripts"
        text="The same for numbers of telephones."
        checked={form.redactPhones}
        onChange={(redactPhones) => set({ redactPhones })}
      />
    </>
  );
}

/** Sets or replaces the webhook's secret. What is stored is never shown. */
function Secret({ form, errors, set }: PartProps) {
  const isNew = form.secret !== "";
  return (
    <Field
      name="Secret of the pause webhook"
      text={
        isNew
          ? "Copy it now: it is never shown again after it was saved."
          : form.hasSecret
            ? "One is set, and never shown. A new one replaces it at once."
            : "None is set yet."
      }
      error={errors.secret}
    >
      {(props) => (
        <div className="flex w-72 gap-2">
          <Input
            {...props}
            autoComplete="off"
            spellCheck={false}
            placeholder={form.hasSecret ? "Unchanged" : "whsec_…"}
            maxLength={100}
            value={form.secret}
            className="font-mono text-xs"
            onChange={(event) => set({ secret: event.target.value })}
          />
          <Button className="h-8" onClick={() => set({ secret: newSecret() })}>
            Make one
          </Button>
        </div>
      )}
    </Field>
  );
}
