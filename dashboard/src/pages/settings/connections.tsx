import { Plug, Plus } from "lucide-react";
import { useState } from "react";
import { useConnections, useRemoveConnection } from "@/api/connections";
import { Empty } from "@/components/empty";
import { Section } from "@/components/page";
import { Removal } from "@/components/row-acts";
import { Loaded } from "@/components/states";
import { Button } from "@/components/ui/button";
import type { Connection } from "@/wire/Connection";
import { ConnectionCard } from "./connection-card";
import { ConnectionEditor } from "./connection-form";

/** The tenant's accounts at vendors. */
export function Connections() {
  const connections = useConnections();
  const remove = useRemoveConnection();
  const [edited, setEdited] = useState<Connection | "new">();
  const [removed, setRemoved] = useState<Connection>();
  const add = (
    <Button onClick={() => setEdited("new")}>
      <Plus aria-hidden />
      Add a connection
    </Button>
  );
  return (
    <Section
      title="Connections"
      text="Accounts at vendors. Secrets are encrypted, and go in only: nobody can read them here again."
      acts={add}
    >
      <Loaded query={connections} what="The connections">
        {(items) =>
          items.length === 0 ? (
            <Empty
              icon={Plug}
              title="No connections"
              text="Calls of LiveKit come by themselves. For those of Vapi, Retell and others, add the account."
            >
              {add}
            </Empty>
          ) : (
            <div className="grid gap-3">
              {items.map((each) => (
                <ConnectionCard
                  key={each.id}
                  connection={each}
                  onEdit={() => setEdited(each)}
                  onRemove={() => setRemoved(each)}
                />
              ))}
            </div>
          )
        }
      </Loaded>
      {edited !== undefined && (
        <ConnectionEditor
          connection={edited === "new" ? undefined : edited}
          onClose={() => setEdited(undefined)}
        />
      )}
      <Removal
        id={removed?.id}
        title={`Remove ${removed?.name ?? "the connection"}?`}
        text="Its secrets are erased, and webhooks signed with them are refused from now on. Past calls stay."
        remove={remove}
        onClose={() => setRemoved(undefined)}
      />
    </Section>
  );
}
