import { useId, useState } from "react";
import { useSaveSubscription } from "@/api/webhooks";
import { FormDialog } from "@/components/form-dialog";
import { TextField } from "@/components/text-field";
import { Checkbox } from "@/components/ui/checkbox";
import { Switch } from "@/components/ui/switch";
import { formErrors } from "@/lib/form";
import { EVENTS } from "@/lib/webhook-words";
import type { WebhookEventType } from "@/wire/WebhookEventType";
import type { WebhookSubscription } from "@/wire/WebhookSubscription";

interface Props {
  /** Nothing: a new one. */
  subscription: WebhookSubscription | undefined;
  onClose: () => void;
  /** A secret was made. */
  onSecret: (secret: string) => void;
}

/** Where webhooks go, and of what they tell. */
export function SubscriptionForm({ subscription, onClose, onSecret }: Props) {
  const save = useSaveSubscription(subscription?.id);
  const [url, setUrl] = useState(subscription?.url ?? "");
  const [description, setDescription] = useState(subscription?.description ?? "");
  const [events, setEvents] = useState<WebhookEventType[]>(subscription?.events ?? ["call.ended"]);
  const [enabled, setEnabled] = useState(subscription?.enabled ?? true);
  const errors = formErrors(save.error, ["url", "description", "events"]);
  const submit = () =>
    save.mutate(
      { url: url.trim(), description: description.trim() || null, events, enabled },
      {
        onSuccess: ({ secret }) => {
          onClose();
          if (secret !== undefined) onSecret(secret);
        },
      },
    );
  return (
    <FormDialog
      open
      onOpenChange={onClose}
      title={subscription === undefined ? "Add a webhook" : "Change the webhook"}
      description={
        subscription === undefined
          ? "Its secret is made here and shown once, when you add it."
          : "Its secret stays. To replace it, rotate it."
      }
      act={subscription === undefined ? "Add" : "Save"}
      pending={save.isPending}
      error={errors.general}
      disabled={url.trim() === "" || events.length === 0}
      onSubmit={submit}
    >
      <TextField
        name="Address"
        text="https:// of a server on the internet."
        error={errors.of("url")}
        type="url"
        maxLength={2000}
        placeholder="https://example.com/webhooks"
        value={url}
        onChange={setUrl}
      />
      <TextField
        name="What it is for"
        error={errors.of("description")}
        maxLength={500}
        value={description}
        onChange={setDescription}
      />
      <EventChoice events={events} onChange={setEvents} error={errors.of("events")} />
      <label className="flex items-center gap-3">
        <Switch checked={enabled} onCheckedChange={setEnabled} />
        It is told; without this, what still waits for it is dropped
      </label>
    </FormDialog>
  );
}

interface ChoiceProps {
  events: readonly WebhookEventType[];
  onChange: (events: WebhookEventType[]) => void;
  error: string | undefined;
}

function EventChoice({ events, onChange, error }: ChoiceProps) {
  const id = useId();
  return (
    <fieldset className="grid gap-1.5">
      <legend className="mb-1 text-xs font-medium text-ink-soft">Of what</legend>
      {EVENTS.map(([event, meaning]) => (
        <div key={event} className="flex items-center gap-2.5">
          <Checkbox
            id={`${id}-${event}`}
            checked={events.includes(event)}
            onCheckedChange={(checked) =>
              onChange(
                checked === true ? [...events, event] : events.filter((each) => each !== event),
              )
            }
          />
          <label htmlFor={`${id}-${event}`} className="flex flex-1 justify-between gap-4">
            {meaning}
            <code className="font-mono text-xs text-ink-soft">{event}</code>
          </label>
        </div>
      ))}
      {error !== undefined && (
        <p role="alert" className="text-xs text-bad-ink">
          {error}
        </p>
      )}
    </fieldset>
  );
}
