import { Plus, Webhook } from "lucide-react";
import { useState } from "react";
import { useRemoveSubscription, useSubscriptions } from "@/api/webhooks";
import { Empty } from "@/components/empty";
import { Section } from "@/components/page";
import { Removal } from "@/components/row-acts";
import { SecretOnce } from "@/components/secret-once";
import { Loaded } from "@/components/states";
import { Button } from "@/components/ui/button";
import type { WebhookSubscription } from "@/wire/WebhookSubscription";
import { SubscriptionCard } from "./subscription-card";
import { SubscriptionForm } from "./subscription-form";

/** Who else is told what happens. */
export function Webhooks() {
  const subscriptions = useSubscriptions();
  const remove = useRemoveSubscription();
  const [edited, setEdited] = useState<WebhookSubscription | "new">();
  const [removed, setRemoved] = useState<WebhookSubscription>();
  const [secret, setSecret] = useState<string>();
  const add = (
    <Button onClick={() => setEdited("new")}>
      <Plus aria-hidden />
      Add a webhook
    </Button>
  );
  return (
    <Section
      title="Outgoing webhooks"
      text="Other systems are told what happens, signed as Standard Webhooks are, and again for three days until they answer."
      acts={add}
    >
      <Loaded query={subscriptions} what="The webhooks">
        {(items) =>
          items.length === 0 ? (
            <Empty
              icon={Webhook}
              title="Nobody is told"
              text="Add the address of a system that wants to know when calls begin and end."
            >
              {add}
            </Empty>
          ) : (
            <div className="grid gap-3">
              {items.map((each) => (
                <SubscriptionCard
                  key={each.id}
                  subscription={each}
                  onEdit={() => setEdited(each)}
                  onRemove={() => setRemoved(each)}
                  onSecret={setSecret}
                />
              ))}
            </div>
          )
        }
      </Loaded>
      {edited !== undefined && (
        <SubscriptionForm
          subscription={edited === "new" ? undefined : edited}
          onClose={() => setEdited(undefined)}
          onSecret={setSecret}
        />
      )}
      <Removal
        id={removed?.id}
        title="Remove this webhook?"
        text={`${removed?.url ?? ""} is told nothing any more. What was not delivered to it yet is dropped, and the log of its deliveries is gone.`}
        remove={remove}
        onClose={() => setRemoved(undefined)}
      />
      <SecretOnce
        secret={secret}
        title="The webhook’s secret"
        description="Whoever receives the webhooks checks their signature with it."
        what="the secret"
        onClose={() => setSecret(undefined)}
      />
    </Section>
  );
}
