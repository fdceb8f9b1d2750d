import { useState } from "react";
import { useSaveConnection } from "@/api/connections";
import { StackedField } from "@/components/form";
import { FormDialog } from "@/components/form-dialog";
import { TextField } from "@/components/text-field";
import { Select } from "@/components/ui/select";
import { formOf, isPartial, KINDS, read, vendor, type ConnectionForm } from "@/lib/connections";
import { formErrors } from "@/lib/form";
import type { Connection } from "@/wire/Connection";
import { RecogniserFields } from "./recogniser-fields";
import { WebhookFields } from "./webhook-fields";

interface Props {
  /** Nothing: a new one. */
  connection: Connection | undefined;
  onClose: () => void;
}

/** Every field of which the server may say something. */
const FIELDS = ["kind", "name", "credentials", "webhook", "settings"];

/** Adds or changes an account at a vendor. */
export function ConnectionEditor({ connection, onClose }: Props) {
  const save = useSaveConnection(connection?.id);
  const [form, setForm] = useState(() => formOf(connection ?? "vapi"));
  const errors = formErrors(save.error, FIELDS);
  const set = (part: Partial<ConnectionForm>) => setForm({ ...form, ...part });
  const { schemes, recogniser } = vendor(form.kind);
  return (
    <FormDialog
      open
      wide
      onOpenChange={onClose}
      title={connection === undefined ? "Add a connection" : `Change ${connection.name}`}
      description={
        connection === undefined
          ? "Secrets are encrypted at once, and never shown again."
          : "Secrets that you leave empty stay as they are."
      }
      act={connection === undefined ? "Add" : "Save"}
      pending={save.isPending}
      error={errors.general}
      disabled={form.name.trim() === "" || isPartial(form)}
      onSubmit={() => save.mutate(read(form), { onSuccess: onClose })}
    >
      <div className="grid gap-4 sm:grid-cols-2">
        {connection === undefined && (
          <StackedField name="Vendor" error={errors.of("kind")}>
            {(props) => (
              <Select
                {...props}
                value={form.kind}
                options={KINDS.map((kind) => [kind, vendor(kind).name] as const)}
                onChange={(kind) => setForm({ ...formOf(kind), name: form.name })}
              />
            )}
          </StackedField>
        )}
        <TextField
          name="Name"
          error={errors.of("name")}
          maxLength={100}
          placeholder="For example Sales"
          value={form.name}
          onChange={(name) => set({ name })}
        />
      </div>
      <Credentials
        form={form}
        kept={connection?.hasCredentials === true}
        error={errors.of("credentials")}
        onChange={(credentials) => set({ credentials })}
      />
      {schemes.length > 0 && (
        <WebhookFields
          form={form}
          schemes={schemes}
          kept={connection?.hasSecret === true}
          errors={errors}
          set={set}
        />
      )}
      {recogniser !== undefined && (
        <RecogniserFields form={form} recogniser={recogniser} errors={errors} set={set} />
      )}
    </FormDialog>
  );
}

interface CredentialsProps {
  form: ConnectionForm;
  kept: boolean;
  error: string | undefined;
  onChange: (credentials: Record<string, string>) => void;
}

function Credentials({ form, kept, error, onChange }: CredentialsProps) {
  const fields = vendor(form.kind).credentials;
  return (
    <fieldset className="grid gap-2">
      <legend className="mb-2 font-medium">Credentials</legend>
      <div className="grid gap-4 sm:grid-cols-2">
        {fields.map(([name, word]) => (
          <TextField
            key={name}
            name={word}
            type="password"
            autoComplete="off"
            maxLength={4096}
            placeholder={kept ? "Unchanged" : ""}
            value={form.credentials[name] ?? ""}
            onChange={(value) => onChange({ ...form.credentials, [name]: value })}
          />
        ))}
      </div>
      {isPartial(form) && (
        <p className="text-xs text-ink-soft">All of them are needed: they replace those kept.</p>
      )}
      {error !== undefined && (
        <p role="alert" className="text-xs text-bad-ink">
          {error}
        </p>
      )}
    </fieldset>
  );
}
