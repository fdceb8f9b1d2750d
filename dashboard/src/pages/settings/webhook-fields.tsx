import { StackedField } from "@/components/form";
import { TextField } from "@/components/text-field";
import { Select } from "@/components/ui/select";
import { Switch } from "@/components/ui/switch";
import { SCHEMES, SECRET_TEXT, type ConnectionForm } from "@/lib/connections";
import type { FormErrors } from "@/lib/form";
import type { WebhookScheme } from "@/wire/WebhookScheme";

interface Props {
  form: ConnectionForm;
  schemes: readonly WebhookScheme[];
  /** Whether a secret is kept. */
  kept: boolean;
  errors: FormErrors;
  set: (part: Partial<ConnectionForm>) => void;
}

/** How the vendor proves that a webhook is its own. */
export function WebhookFields({ form, schemes, kept, errors, set }: Props) {
  return (
    <fieldset className="grid gap-4">
      <legend className="mb-2 font-medium">Webhooks</legend>
      <div className="grid gap-4 sm:grid-cols-2">
        <StackedField name="How they are signed" error={errors.of("webhook.scheme")}>
          {(props) => (
            <Select
              {...props}
              value={form.scheme}
              options={schemes.map((scheme) => [scheme, SCHEMES[scheme]] as const)}
              onChange={(scheme) => set({ scheme })}
            />
          )}
        </StackedField>
        {form.scheme !== "none" && (
          <TextField
            name="Secret"
            text={SECRET_TEXT[form.scheme]}
            error={errors.of("webhook.secret")}
            type="password"
            autoComplete="off"
            maxLength={512}
            placeholder={kept ? "Unchanged" : ""}
            value={form.secret}
            onChange={(secret) => set({ secret })}
          />
        )}
        {(form.scheme === "bearer" || form.scheme === "oauth2") && (
          <TextField
            name="Header"
            error={errors.of("webhook.headerName")}
            placeholder="Authorization"
            value={form.headerName}
            onChange={(headerName) => set({ headerName })}
          />
        )}
      </div>
      {form.scheme === "bearer" && (
        <Choice
          name="“Bearer” stands before the token"
          checked={form.bearerPrefix}
          onChange={(bearerPrefix) => set({ bearerPrefix })}
        />
      )}
      {form.scheme === "hmac" && <HmacFields form={form} errors={errors} set={set} />}
    </fieldset>
  );
}

interface ChoiceProps {
  name: string;
  checked: boolean;
  onChange: (checked: boolean) => void;
}

function Choice({ name, checked, onChange }: ChoiceProps) {
  return (
    <label className="flex items-center gap-3">
      <Switch checked={checked} onCheckedChange={onChange} />
      {name}
    </label>
  );
}

/** The options of an HMAC, shown when somebody needs them: what is empty is the usual. */
function HmacFields({ form, errors, set }: Pick<Props, "form" | "errors" | "set">) {
  return (
    <details className="rounded-md border border-line" open={errors.of("webhook") !== undefined}>
      <summary className="cursor-pointer px-3 py-2 font-medium">Options of the signature</summary>
      <div className="grid gap-4 border-t border-line p-3">
        <div className="grid gap-4 sm:grid-cols-2">
          <HmacHash form={form} errors={errors} set={set} />
          <TextField
            name="Header of the signature"
            error={errors.of("webhook.signatureHeader")}
            placeholder="x-signature"
            value={form.signatureHeader}
            onChange={(signatureHeader) => set({ signatureHeader })}
          />
          <TextField
            name="What stands before it"
            error={errors.of("webhook.signaturePrefix")}
            placeholder="For example sha256="
            value={form.signaturePrefix}
            onChange={(signaturePrefix) => set({ signaturePrefix })}
          />
          {form.timestamped && (
            <TextField
              name="Header of the time"
              error={errors.of("webhook.timestampHeader")}
              placeholder="x-timestamp"
              value={form.timestampHeader}
              onChange={(timestampHeader) => set({ timestampHeader })}
            />
          )}
          <TextField
            name="What is signed"
            text="Of {body}, {timestamp}, {method}, {url} and {svix-id}."
            error={errors.of("webhook.payloadFormat")}
            placeholder={form.timestamped ? "{timestamp}.{body}" : "{body}"}
            value={form.payloadFormat}
            onChange={(payloadFormat) => set({ payloadFormat })}
          />
          <TextField
            name="Header of {svix-id}"
            error={errors.of("webhook.messageIdHeader")}
            placeholder="svix-id"
            value={form.messageIdHeader}
            onChange={(messageIdHeader) => set({ messageIdHeader })}
          />
        </div>
        <Choice
          name="A time is sent and signed; without one, an old webhook can be sent again after a week"
          checked={form.timestamped}
          onChange={(timestamped) => set({ timestamped })}
        />
        <Choice
          name="The secret is base64 of the key"
          checked={form.base64Secret}
          onChange={(base64Secret) => set({ base64Secret })}
        />
      </div>
    </details>
  );
}

function HmacHash({ form, errors, set }: Pick<Props, "form" | "errors" | "set">) {
  return (
    <>
      <StackedField name="Hash" error={errors.of("webhook.algorithm")}>
        {(props) => (
          <Select
            {...props}
            value={form.algorithm}
            options={[
              ["sha256", "SHA-256"],
              ["sha512", "SHA-512"],
              ["sha1", "SHA-1"],
            ]}
            onChange={(algorithm) => set({ algorithm })}
          />
        )}
      </StackedField>
      <StackedField name="Written in" error={errors.of("webhook.signatureEncoding")}>
        {(props) => (
          <Select
            {...props}
            value={form.encoding}
            options={[
              ["hex", "Hexadecimal"],
              ["base64", "Base64"],
            ]}
            onChange={(encoding) => set({ encoding })}
          />
        )}
      </StackedField>
    </>
  );
}
