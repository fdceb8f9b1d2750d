import { Ellipsis, Plus } from "lucide-react";
import { useState, type ReactNode } from "react";
import { errorText } from "@/api/client";
import { useAddClient, useChangeClient, useClients, useRemoveClient } from "@/api/team";
import { FormDialog } from "@/components/form-dialog";
import { Card, Section } from "@/components/page";
import { Removal } from "@/components/row-acts";
import { Loaded } from "@/components/states";
import { TextField } from "@/components/text-field";
import { Badge } from "@/components/ui/badge";
import { Button } from "@/components/ui/button";
import { Confirm } from "@/components/ui/confirm";
import {
  DropdownMenu,
  DropdownMenuContent,
  DropdownMenuItem,
  DropdownMenuSeparator,
  DropdownMenuTrigger,
} from "@/components/ui/dropdown-menu";
import {
  Table,
  TableBody,
  TableCell,
  TableHead,
  TableHeader,
  TableRow,
} from "@/components/ui/table";
import { formErrors } from "@/lib/form";
import { slugOf } from "@/lib/slug";
import type { Client } from "@/wire/Client";
import type { Me } from "@/wire/Me";
import { Members } from "./members";

/** The client companies. */
export function Clients({ me }: { me: Me }) {
  const clients = useClients();
  const [adding, setAdding] = useState(false);
  const [renamed, setRenamed] = useState<Client>();
  const [removed, setRemoved] = useState<Client>();
  const [open, setOpen] = useState<string>();
  const remove = useRemoveClient();
  return (
    <>
      <Section
        title="Clients"
        text="Companies whose calls are here. None of them sees anything of another."
        acts={
          <Button onClick={() => setAdding(true)}>
            <Plus aria-hidden />
            Add a client
          </Button>
        }
      >
        <Loaded query={clients} what="The clients">
          {(items) => (
            <Card>
              <ClientTable>
                {items.map((client) => (
                  <ClientLine
                    key={client.id}
                    client={client}
                    own={client.id === me.clientId}
                    open={client.id === open}
                    onOpen={() => setOpen(client.id === open ? undefined : client.id)}
                    onRename={() => setRenamed(client)}
                    onRemove={() => setRemoved(client)}
                  />
                ))}
              </ClientTable>
            </Card>
          )}
        </Loaded>
        {adding && <AddClient onClose={() => setAdding(false)} />}
        {renamed !== undefined && (
          <RenameClient client={renamed} onClose={() => setRenamed(undefined)} />
        )}
        <Removal
          id={removed?.id}
          title={`Remove ${removed?.name ?? "the client"}?`}
          text="Only a client without members, calls and recordings can be removed. Its keys and invites end; its audit log stays."
          remove={remove}
          onClose={() => setRemoved(undefined)}
        />
      </Section>
      {clients.data
        ?.filter(({ id }) => id === open)
        .map((client) => (
          <Members key={client.id} client={client} me={me} />
        ))}
    </>
  );
}

function ClientTable({ children }: { children: ReactNode }) {
  return (
    <Table aria-label="Clients">
      <TableHead>
        <TableRow>
          <TableHeader>Name</TableHeader>
          <TableHeader>Slug</TableHeader>
          <TableHeader>State</TableHeader>
          <TableHeader>
            <span className="sr-only">Acts</span>
          </TableHeader>
        </TableRow>
      </TableHead>
      <TableBody>{children}</TableBody>
    </Table>
  );
}

interface LineProps {
  client: Client;
  /** Whether it is the one that whoever looks acts for. */
  own: boolean;
  open: boolean;
  onOpen: () => void;
  onRename: () => void;
  onRemove: () => void;
}

function ClientLine({ client, own, open, onOpen, onRename, onRemove }: LineProps) {
  const change = useChangeClient(client.id);
  const [asked, setAsked] = useState(false);
  return (
    <TableRow data-testid="client-row" data-client={client.slug}>
      <TableCell>
        <div className="font-medium">{client.name}</div>
        {change.isError && !asked && (
          <p role="alert" className="text-xs text-bad-ink">
            {errorText(change.error)}
          </p>
        )}
      </TableCell>
      <TableCell>
        <code className="font-mono text-xs">{client.slug}</code>
      </TableCell>
      <TableCell>
        <Badge tone={client.disabled ? "bad" : "plain"}>
          {client.disabled ? "Disabled" : "Active"}
        </Badge>
      </TableCell>
      <TableCell>
        <span className="flex justify-end gap-1">
          <Button variant={open ? "on" : "quiet"} aria-expanded={open} onClick={onOpen}>
            Members
          </Button>
          <ClientMenu
            client={client}
            own={own}
            onRename={onRename}
            onRemove={onRemove}
            onDisable={() => setAsked(true)}
            onEnable={() => change.mutate({ disabled: false })}
          />
        </span>
        <Confirm
          open={asked}
          onOpenChange={setAsked}
          title={`Disable ${client.name}?`}
          description="Everybody who acts for it is logged out at once and cannot log in, its keys are refused, and listening to its calls stops. Its calls go on, and are kept and recorded as before. You can enable it again."
          act="Disable"
          pending={change.isPending}
          error={change.isError ? errorText(change.error) : undefined}
          onConfirm={() => change.mutate({ disabled: true }, { onSuccess: () => setAsked(false) })}
        />
      </TableCell>
    </TableRow>
  );
}

interface MenuProps {
  client: Client;
  own: boolean;
  onRename: () => void;
  onDisable: () => void;
  onEnable: () => void;
  onRemove: () => void;
}

function ClientMenu({ client, own, onRename, onDisable, onEnable, onRemove }: MenuProps) {
  return (
    <DropdownMenu>
      <DropdownMenuTrigger asChild>
        <Button variant="quiet" size="icon" aria-label={`More for ${client.name}`}>
          <Ellipsis aria-hidden />
        </Button>
      </DropdownMenuTrigger>
      <DropdownMenuContent align="end">
        <DropdownMenuItem onSelect={onRename}>Rename…</DropdownMenuItem>
        {client.disabled ? (
          <DropdownMenuItem onSelect={onEnable}>Enable</DropdownMenuItem>
        ) : (
          <DropdownMenuItem disabled={own} onSelect={onDisable}>
            Disable…
          </DropdownMenuItem>
        )}
        <DropdownMenuSeparator />
        <DropdownMenuItem disabled={own} className="text-bad-ink" onSelect={onRemove}>
          Remove…
        </DropdownMenuItem>
      </DropdownMenuContent>
    </DropdownMenu>
  );
}

function AddClient({ onClose }: { onClose: () => void }) {
  const add = useAddClient();
  const [name, setName] = useState("");
  const [typed, setTyped] = useState<string>();
  const slug = typed ?? slugOf(name);
  const errors = formErrors(add.error, ["name", "slug"]);
  return (
    <FormDialog
      open
      onOpenChange={onClose}
      title="Add a client"
      description="It begins without users: add its first admin as a member."
      act="Add"
      pending={add.isPending}
      error={errors.general}
      disabled={name.trim() === "" || slug === ""}
      onSubmit={() => add.mutate({ name: name.trim(), slug }, { onSuccess: onClose })}
    >
      <TextField name="Name" error={errors.of("name")} value={name} onChange={setName} />
      <TextField
        name="Slug"
        text="Names it in rooms and addresses, and never changes: a-z, 0-9 and hyphens."
        error={errors.of("slug")}
        maxLength={63}
        spellCheck={false}
        autoCapitalize="none"
        className="font-mono text-xs"
        value={slug}
        onChange={setTyped}
      />
    </FormDialog>
  );
}

function RenameClient({ client, onClose }: { client: Client; onClose: () => void }) {
  const change = useChangeClient(client.id);
  const [name, setName] = useState(client.name);
  const errors = formErrors(change.error, ["name"]);
  return (
    <FormDialog
      open
      onOpenChange={onClose}
      title={`Rename ${client.name}`}
      description={`Its slug stays “${client.slug}”.`}
      act="Rename"
      pending={change.isPending}
      error={errors.general}
      disabled={name.trim() === ""}
      onSubmit={() => change.mutate({ name: name.trim() }, { onSuccess: onClose })}
    >
      <TextField name="Name" error={errors.of("name")} value={name} onChange={setName} />
    </FormDialog>
  );
}
