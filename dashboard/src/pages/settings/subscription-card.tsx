import { ChevronDown, KeyRound, LoaderCircle, Send } from "lucide-react";
import { useId, useState } from "react";
import { errorText } from "@/api/client";
import { useRotateSecret, useTestPing } from "@/api/webhooks";
import { Card } from "@/components/page";
import { RowActs } from "@/components/row-acts";
import { Badge } from "@/components/ui/badge";
import { Button } from "@/components/ui/button";
import { Confirm } from "@/components/ui/confirm";
import { cn } from "@/lib/cn";
import { momentWithZone } from "@/lib/format";
import { attemptText, standing } from "@/lib/webhook-words";
import type { WebhookDelivery } from "@/wire/WebhookDelivery";
import type { WebhookSubscription } from "@/wire/WebhookSubscription";
import { Deliveries } from "./deliveries";

interface Props {
  subscription: WebhookSubscription;
  onEdit: () => void;
  onRemove: () => void;
  onSecret: (secret: string) => void;
}

/** A subscription: how it fares, what can be done to it, and what was sent to it. */
export function SubscriptionCard({ subscription, onEdit, onRemove, onSecret }: Props) {
  const { id, url, description, events, formerSecretUntil } = subscription;
  const [open, setOpen] = useState(false);
  const [rotating, setRotating] = useState(false);
  const log = useId();
  const { tone, word, text } = standing(subscription);
  return (
    <Card>
      <article data-testid="subscription" className="grid gap-2 p-4">
        <div className="flex items-start gap-3">
          <div className="min-w-0 flex-1">
            <h3 className="flex items-center gap-2 font-medium">
              <span className="truncate" title={url}>
                {url}
              </span>
              <Badge tone={tone}>{word}</Badge>
            </h3>
            {description !== undefined && <p className="text-ink-soft">{description}</p>}
          </div>
          <RowActs of={url} onEdit={onEdit} onRemove={onRemove} />
        </div>
        {text !== undefined && <p className="text-bad-ink">{text}</p>}
        <p className="flex flex-wrap gap-1">
          {events.map((event) => (
            <Badge key={event} tone="outline">
              {event}
            </Badge>
          ))}
        </p>
        {formerSecretUntil !== undefined && (
          <p className="text-xs text-ink-soft">
            The former secret signs too, until {momentWithZone(formerSecretUntil)}.
          </p>
        )}
        <Acts id={id} open={open} log={log} onOpen={setOpen} onRotate={() => setRotating(true)} />
      </article>
      <div id={log}>{open && <Deliveries subscriptionId={id} />}</div>
      <Rotation
        subscription={subscription}
        open={rotating}
        onClose={() => setRotating(false)}
        onSecret={onSecret}
      />
    </Card>
  );
}

interface ActsProps {
  id: string;
  open: boolean;
  /** Id of the element that holds the log. */
  log: string;
  onOpen: (open: boolean) => void;
  onRotate: () => void;
}

function Acts({ id, open, log, onOpen, onRotate }: ActsProps) {
  const ping = useTestPing(id);
  return (
    <div className="mt-1 flex flex-wrap items-center gap-2">
      <Button aria-expanded={open} aria-controls={log} onClick={() => onOpen(!open)}>
        <ChevronDown aria-hidden className={cn("transition-transform", open && "rotate-180")} />
        Deliveries
      </Button>
      <Button
        disabled={ping.isPending}
        onClick={() => ping.mutate(undefined, { onSuccess: () => onOpen(true) })}
      >
        {ping.isPending ? (
          <LoaderCircle aria-hidden className="animate-spin" />
        ) : (
          <Send aria-hidden />
        )}
        Send a test
      </Button>
      <Button onClick={onRotate}>
        <KeyRound aria-hidden />
        Rotate the secret
      </Button>
      {ping.isSuccess && <Arrived delivery={ping.data} />}
      {ping.isError && (
        <span role="alert" className="text-bad-ink">
          {errorText(ping.error)}
        </span>
      )}
    </div>
  );
}

/** What came of a test. */
function Arrived({ delivery }: { delivery: WebhookDelivery }) {
  const arrived = delivery.state === "delivered";
  return (
    <span role="status" className={arrived ? "text-good-ink" : "text-bad-ink"}>
      {arrived ? "The test arrived" : "The test did not arrive"}: {attemptText(delivery)}.
    </span>
  );
}

interface RotationProps {
  subscription: WebhookSubscription;
  open: boolean;
  onClose: () => void;
  onSecret: (secret: string) => void;
}

function Rotation({ subscription, open, onClose, onSecret }: RotationProps) {
  const rotate = useRotateSecret();
  const close = () => {
    rotate.reset();
    onClose();
  };
  return (
    <Confirm
      open={open}
      onOpenChange={close}
      title="Make a new secret?"
      description={`${subscription.url} gets webhooks signed with both the new secret and the one of now, for 24 hours; then only the new one counts.`}
      act="Make a new secret"
      destroys={false}
      pending={rotate.isPending}
      error={rotate.isError ? errorText(rotate.error) : undefined}
      onConfirm={() =>
        rotate.mutate(subscription.id, {
          onSuccess: ({ secret }) => {
            close();
            if (secret !== undefined) onSecret(secret);
          },
        })
      }
    />
  );
}
