import { MailPlus } from "lucide-react";
import { useState } from "react";
import { mayRule } from "@/api/recordings";
import { useInvite, useInvites, useRevokeInvite } from "@/api/team";
import { Empty } from "@/components/empty";
import { FormDialog } from "@/components/form-dialog";
import { Card, Section } from "@/components/page";
import { RoleSelect } from "@/components/role-select";
import { Removal } from "@/components/row-acts";
import { SecretOnce } from "@/components/secret-once";
import { Loaded } from "@/components/states";
import { Badge } from "@/components/ui/badge";
import { Button } from "@/components/ui/button";
import {
  Table,
  TableBody,
  TableCell,
  TableHead,
  TableHeader,
  TableRow,
} from "@/components/ui/table";
import { formErrors } from "@/lib/form";
import { moment, momentWithZone, words } from "@/lib/format";
import { serverNow } from "@/lib/ticker";
import type { Invite } from "@/wire/Invite";
import type { Me } from "@/wire/Me";
import type { Role } from "@/wire/Role";

/** Rights to register, each once. */
export function Invites({ me }: { me: Me }) {
  const invites = useInvites();
  const revoke = useRevokeInvite();
  const [making, setMaking] = useState(false);
  const [token, setToken] = useState<string>();
  const [revoked, setRevoked] = useState<Invite>();
  const add = mayRule(me) && (
    <Button onClick={() => setMaking(true)}>
      <MailPlus aria-hidden />
      Invite somebody
    </Button>
  );
  return (
    <Section
      title="Invites"
      text="Whoever has one may register once, with a name and password of their own."
      acts={add}
    >
      <Loaded query={invites} what="The invites">
        {(items) =>
          items.length === 0 ? (
            <Empty
              icon={MailPlus}
              title="No invites"
              text="Make one and send its address to whoever is to join."
            >
              {add}
            </Empty>
          ) : (
            <InviteTable items={items} onRevoke={mayRule(me) ? setRevoked : undefined} />
          )
        }
      </Loaded>
      {making && <InviteForm onClose={() => setMaking(false)} onToken={setToken} />}
      <Removal
        id={revoked?.id}
        title="Take the invite back?"
        text="Nobody can register with it any more."
        act="Take it back"
        remove={revoke}
        onClose={() => setRevoked(undefined)}
      />
      <SecretOnce
        secret={token === undefined ? undefined : `${location.origin}/register#${token}`}
        title="The invite"
        description={`Whoever opens this address may join ${me.clientName}, once.`}
        what="the invite"
        onClose={() => setToken(undefined)}
      />
    </Section>
  );
}

interface TableProps {
  items: readonly Invite[];
  /** Nothing: it may not be done. */
  onRevoke: ((invite: Invite) => void) | undefined;
}

function InviteTable({ items, onRevoke }: TableProps) {
  const time = (at: string) => (
    <time dateTime={at} title={momentWithZone(at)} className="tabular-nums">
      {moment(at, serverNow())}
    </time>
  );
  return (
    <Card>
      <Table aria-label="Invites">
        <TableHead>
          <TableRow>
            <TableHeader>Role</TableHeader>
            <TableHeader>State</TableHeader>
            <TableHeader>Made</TableHeader>
            <TableHeader>Ends</TableHeader>
            <TableHeader>
              <span className="sr-only">Acts</span>
            </TableHeader>
          </TableRow>
        </TableHead>
        <TableBody>
          {items.map((invite) => (
            <TableRow key={invite.id} data-testid="invite-row" data-state={invite.state}>
              <TableCell className="font-medium">{words(invite.role)}</TableCell>
              <TableCell>
                <Badge tone={invite.state === "pending" ? "accent" : "plain"}>
                  {words(invite.state)}
                </Badge>
              </TableCell>
              <TableCell className="text-ink-soft">{time(invite.createdAt)}</TableCell>
              <TableCell className="text-ink-soft">{time(invite.expiresAt)}</TableCell>
              <TableCell className="text-right">
                {onRevoke !== undefined && invite.state === "pending" && (
                  <Button variant="danger" onClick={() => onRevoke(invite)}>
                    Take back
                  </Button>
                )}
              </TableCell>
            </TableRow>
          ))}
        </TableBody>
      </Table>
    </Card>
  );
}

interface FormProps {
  onClose: () => void;
  onToken: (token: string) => void;
}

function InviteForm({ onClose, onToken }: FormProps) {
  const invite = useInvite();
  const [role, setRole] = useState<Role>("supervisor");
  const errors = formErrors(invite.error, ["role"]);
  return (
    <FormDialog
      open
      onOpenChange={onClose}
      title="Invite somebody"
      description="Its address is shown once, when it is made, and is good for seven days."
      act="Make the invite"
      pending={invite.isPending}
      error={errors.general}
      onSubmit={() =>
        invite.mutate(
          { role },
          {
            onSuccess: ({ token }) => {
              onClose();
              onToken(token);
            },
          },
        )
      }
    >
      <RoleSelect value={role} onChange={setRole} error={errors.of("role")} />
    </FormDialog>
  );
}
