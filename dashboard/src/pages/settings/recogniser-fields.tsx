import { StackedField } from "@/components/form";
import { TextField } from "@/components/text-field";
import { Select } from "@/components/ui/select";
import {
  TRANSCRIBE,
  TRANSCRIBE_TEXT,
  vendor,
  type ConnectionForm,
  type Recogniser,
} from "@/lib/connections";
import type { FormErrors } from "@/lib/form";

interface Props {
  form: ConnectionForm;
  recogniser: Recogniser;
  errors: FormErrors;
  set: (part: Partial<ConnectionForm>) => void;
}

/** Which calls an account writes down, and how. */
export function RecogniserFields({ form, recogniser, errors, set }: Props) {
  const { name } = vendor(form.kind);
  return (
    <fieldset className="grid gap-4">
      <legend className="mb-2 font-medium">Transcripts</legend>
      <StackedField
        name="What it writes down"
        text={`${TRANSCRIBE_TEXT[form.transcribe]} It holds for calls that begin from now on.`}
        error={errors.of("settings.transcribe")}
      >
        {(props) => (
          <Select
            {...props}
            value={form.transcribe}
            options={TRANSCRIBE}
            onChange={(transcribe) => set({ transcribe })}
          />
        )}
      </StackedField>
      {form.transcribe !== "never" && (
        <div className="grid gap-4 sm:grid-cols-2">
          <TextField
            name="Language"
            text={`As ${name} names it.`}
            error={errors.of("settings.language")}
            maxLength={64}
            placeholder="Its own choice"
            value={form.language}
            onChange={(language) => set({ language })}
          />
          <TextField
            name="Model"
            text={`As ${name} names it.`}
            error={errors.of("settings.model")}
            maxLength={64}
            placeholder={recogniser.model}
            value={form.model}
            onChange={(model) => set({ model })}
          />
          {recogniser.eu && (
            <StackedField name="Where" error={errors.of("settings.region")}>
              {(props) => (
                <Select
                  {...props}
                  value={form.eu ? "eu" : "usual"}
                  options={[
                    ["usual", "Wherever the provider is"],
                    ["eu", "In the European Union"],
                  ]}
                  onChange={(where) => set({ eu: where === "eu" })}
                />
              )}
            </StackedField>
          )}
        </div>
      )}
    </fieldset>
  );
}
