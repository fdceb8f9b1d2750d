import { KeyRound, Plus } from "lucide-react";
import { useState } from "react";
import { mayRule } from "@/api/recordings";
import { useApiKeys, useMakeApiKey, useRevokeApiKey } from "@/api/team";
import { Empty } from "@/components/empty";
import { StackedField } from "@/components/form";
import { FormDialog } from "@/components/form-dialog";
import { Card, Section } from "@/components/page";
import { RoleSelect } from "@/components/role-select";
import { Removal } from "@/components/row-acts";
import { SecretOnce } from "@/components/secret-once";
import { Loaded } from "@/components/states";
import { TextField } from "@/components/text-field";
import { Badge } from "@/components/ui/badge";
import { Button } from "@/components/ui/button";
import { Select } from "@/components/ui/select";
import {
  Table,
  TableBody,
  TableCell,
  TableHead,
  TableHeader,
  TableRow,
} from "@/components/ui/table";
import { EXPIRIES, expiresAt, keyState, type Expiry } from "@/lib/expiry";
import { formErrors } from "@/lib/form";
import { moment, momentWithZone, words } from "@/lib/format";
import { serverNow } from "@/lib/ticker";
import type { ApiKey } from "@/wire/ApiKey";
import type { Me } from "@/wire/Me";
import type { Role } from "@/wire/Role";

/** Keys of programs. */
export function ApiKeys({ me }: { me: Me }) {
  const apiKeys = useApiKeys();
  const revoke = useRevokeApiKey();
  const [making, setMaking] = useState(false);
  const [secret, setSecret] = useState<string>();
  const [revoked, setRevoked] = useState<ApiKey>();
  const add = mayRule(me) && (
    <Button onClick={() => setMaking(true)}>
      <Plus aria-hidden />
      Make a key
    </Button>
  );
  return (
    <Section title="API keys" text="What programs log in with, instead of a password." acts={add}>
      <Loaded query={apiKeys} what="The keys">
        {(items) =>
          items.length === 0 ? (
            <Empty
              icon={KeyRound}
              title="No keys"
              text="A program that registers calls or reads them needs one."
            >
              {add}
            </Empty>
          ) : (
            <KeyTable items={items} onRevoke={mayRule(me) ? setRevoked : undefined} />
          )
        }
      </Loaded>
      {making && <KeyForm onClose={() => setMaking(false)} onSecret={setSecret} />}
      <Removal
        id={revoked?.id}
        title={`Revoke ${revoked?.name ?? "the key"}?`}
        text="Programs that use it are refused at once, and their connections are closed. Nobody can undo that."
        act="Revoke"
        remove={revoke}
        onClose={() => setRevoked(undefined)}
      />
      <SecretOnce
        secret={secret}
        title="The new key"
        description="Programs send it as “Authorization: Bearer …”. Whoever has it may do what its role may."
        what="the key"
        onClose={() => setSecret(undefined)}
      />
    </Section>
  );
}

interface TableProps {
  items: readonly ApiKey[];
  /** Nothing: it may not be done. */
  onRevoke: ((key: ApiKey) => void) | undefined;
}

function KeyTable({ items, onRevoke }: TableProps) {
  const now = serverNow();
  return (
    <Card>
      <Table aria-label="API keys">
        <TableHead>
          <TableRow>
            <TableHeader>Name</TableHeader>
            <TableHeader>Role</TableHeader>
            <TableHeader>State</TableHeader>
            <TableHeader>Last used</TableHeader>
            <TableHeader>Ends</TableHeader>
            <TableHeader>
              <span className="sr-only">Acts</span>
            </TableHeader>
          </TableRow>
        </TableHead>
        <TableBody>
          {items.map((key) => {
            const state = keyState(key, now);
            return (
              <TableRow key={key.id} data-testid="key-row" data-state={state}>
                <TableCell>
                  <div className="font-medium">{key.name}</div>
                  <code className="font-mono text-xs text-ink-soft">{key.hint}…</code>
                </TableCell>
                <TableCell>{words(key.role)}</TableCell>
                <TableCell>
                  <Badge tone={state === "active" ? "accent" : "plain"}>{words(state)}</Badge>
                </TableCell>
                <TableCell className="text-ink-soft">
                  <Moment at={key.lastUsedAt} none="Never" now={now} />
                </TableCell>
                <TableCell className="text-ink-soft">
                  <Moment at={key.expiresAt} none="Never" now={now} />
                </TableCell>
                <TableCell className="text-right">
                  {onRevoke !== undefined && state === "active" && (
                    <Button
                      variant="danger"
                      aria-label={`Revoke ${key.name}`}
                      onClick={() => onRevoke(key)}
                    >
                      Revoke
                    </Button>
                  )}
                </TableCell>
              </TableRow>
            );
          })}
        </TableBody>
      </Table>
    </Card>
  );
}

interface MomentProps {
  at: string | undefined;
  none: string;
  now: number;
}

function Moment({ at, none, now }: MomentProps) {
  if (at === undefined) return none;
  return (
    <time dateTime={at} title={momentWithZone(at)} className="tabular-nums">
      {moment(at, now)}
    </time>
  );
}

interface FormProps {
  onClose: () => void;
  onSecret: (secret: string) => void;
}

function KeyForm({ onClose, onSecret }: FormProps) {
  const make = useMakeApiKey();
  const [name, setName] = useState("");
  const [role, setRole] = useState<Role>("agent");
  const [expiry, setExpiry] = useState<Expiry>("90");
  const errors = formErrors(make.error, ["name", "role", "expiresAt"]);
  const submit = () => {
    const end = expiresAt(expiry, serverNow());
    make.mutate(
      { name: name.trim(), role, ...(end === undefined ? {} : { expiresAt: end }) },
      {
        onSuccess: ({ key }) => {
          onClose();
          onSecret(key);
        },
      },
    );
  };
  return (
    <FormDialog
      open
      onOpenChange={onClose}
      title="Make a key"
      description="It is shown once, when it is made."
      act="Make the key"
      pending={make.isPending}
      error={errors.general}
      disabled={name.trim() === ""}
      onSubmit={submit}
    >
      <TextField
        name="What it is for"
        error={errors.of("name")}
        placeholder="For example CRM"
        value={name}
        onChange={setName}
      />
      <RoleSelect value={role} onChange={setRole} error={errors.of("role")} />
      <StackedField name="Ends by itself" error={errors.of("expiresAt")}>
        {(props) => <Select {...props} value={expiry} options={EXPIRIES} onChange={setExpiry} />}
      </StackedField>
    </FormDialog>
  );
}
