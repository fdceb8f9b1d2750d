import { UserCheck, UserPlus } from "lucide-react";
import { useState } from "react";
import { errorText } from "@/api/client";
import { useAddMember, useChangeMember, useMembers, useRemoveMember } from "@/api/team";
import { Empty } from "@/components/empty";
import { FormDialog } from "@/components/form-dialog";
import { Card, Section } from "@/components/page";
import { PersonName } from "@/components/person-name";
import { RoleSelect } from "@/components/role-select";
import { Removal } from "@/components/row-acts";
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
import { formErrors } from "@/lib/form";
import { words } from "@/lib/format";
import { ROLES } from "@/lib/roles";
import type { Client } from "@/wire/Client";
import type { Me } from "@/wire/Me";
import type { Member } from "@/wire/Member";
import type { Role } from "@/wire/Role";
import { HandedPassword, type Handed } from "./handed-password";
import { UserForm } from "./user-form";

/** Who may act for a client. */
export function Members({ client, me }: { client: Client; me: Me }) {
  const members = useMembers(client.id);
  const remove = useRemoveMember(client.id);
  const [adding, setAdding] = useState<"member" | "user">();
  const [handed, setHanded] = useState<Handed>();
  const [removed, setRemoved] = useState<Member>();
  const add = (
    <span className="flex gap-2">
      <Button onClick={() => setAdding("member")}>
        <UserCheck aria-hidden />
        Add a member
      </Button>
      <Button onClick={() => setAdding("user")}>
        <UserPlus aria-hidden />
        Add a new user
      </Button>
    </span>
  );
  return (
    <Section
      title={`Members of ${client.name}`}
      text="A user may belong to several clients, with a role in each."
      acts={add}
    >
      <Loaded query={members} what="The members">
        {(items) =>
          items.length === 0 ? (
            <Empty icon={UserPlus} title="Nobody yet" text="Add the client’s first admin.">
              {add}
            </Empty>
          ) : (
            <MemberTable client={client} members={items} me={me} onRemove={setRemoved} />
          )
        }
      </Loaded>
      {adding === "member" && <AddMember client={client} onClose={() => setAdding(undefined)} />}
      {adding === "user" && (
        <UserForm client={client} onClose={() => setAdding(undefined)} onHanded={setHanded} />
      )}
      <HandedPassword handed={handed} onClose={() => setHanded(undefined)} />
      <Removal
        id={removed?.userId}
        title={`Remove ${removed?.username ?? "the member"} from ${client.name}?`}
        text={`They can no longer act for ${client.name}, and sessions in which they do end at once. Their other clients stay.`}
        remove={remove}
        onClose={() => setRemoved(undefined)}
      />
    </Section>
  );
}

interface TableProps {
  client: Client;
  members: readonly Member[];
  me: Me;
  onRemove: (member: Member) => void;
}

function MemberTable({ client, members, me, onRemove }: TableProps) {
  return (
    <Card>
      <Table aria-label={`Members of ${client.name}`}>
        <TableHead>
          <TableRow>
            <TableHeader>Name</TableHeader>
            <TableHeader>Role</TableHeader>
            <TableHeader>State</TableHeader>
            <TableHeader>
              <span className="sr-only">Acts</span>
            </TableHeader>
          </TableRow>
        </TableHead>
        <TableBody>
          {members.map((member) => (
            <MemberLine
              key={member.userId}
              clientId={client.id}
              member={member}
              isMe={member.userId === me.id}
              onRemove={() => onRemove(member)}
            />
          ))}
        </TableBody>
      </Table>
    </Card>
  );
}

interface LineProps {
  clientId: string;
  member: Member;
  isMe: boolean;
  onRemove: () => void;
}

function MemberLine({ clientId, member, isMe, onRemove }: LineProps) {
  const change = useChangeMember(clientId, member.userId);
  const role = change.isPending ? (change.variables.role ?? member.role) : member.role;
  return (
    <TableRow data-testid="member-row" data-user={member.username}>
      <TableCell>
        <PersonName person={member} isMe={isMe} />
        {change.isError && (
          <p role="alert" className="text-xs text-bad-ink">
            {errorText(change.error)}
          </p>
        )}
      </TableCell>
      <TableCell>
        <Select
          aria-label={`Role of ${member.username}`}
          className="w-32"
          value={role}
          disabled={change.isPending || isMe}
          options={ROLES.map((each) => [each, words(each)] as const)}
          onChange={(next) => {
            if (next !== member.role) change.mutate({ role: next });
          }}
        />
      </TableCell>
      <TableCell>
        <Badge tone={member.disabled ? "bad" : "plain"}>
          {member.disabled ? "Disabled" : "Active"}
        </Badge>
      </TableCell>
      <TableCell className="text-right">
        <Button
          variant="danger"
          aria-label={`Remove ${member.username}`}
          disabled={isMe}
          onClick={onRemove}
        >
          Remove
        </Button>
      </TableCell>
    </TableRow>
  );
}

interface AddProps {
  client: Client;
  onClose: () => void;
}

function AddMember({ client, onClose }: AddProps) {
  const add = useAddMember(client.id);
  const [username, setUsername] = useState("");
  const [role, setRole] = useState<Role>("admin");
  const errors = formErrors(add.error, ["username", "role"]);
  return (
    <FormDialog
      open
      onOpenChange={onClose}
      title={`Add a member to ${client.name}`}
      description="Somebody who has a user already. They keep their password."
      act="Add"
      pending={add.isPending}
      error={errors.general}
      disabled={username.trim() === ""}
      onSubmit={() => add.mutate({ username: username.trim(), role }, { onSuccess: onClose })}
    >
      <TextField
        name="User name"
        error={errors.of("username")}
        maxLength={64}
        autoCapitalize="none"
        autoComplete="off"
        spellCheck={false}
        value={username}
        onChange={setUsername}
      />
      <RoleSelect value={role} onChange={setRole} error={errors.of("role")} />
    </FormDialog>
  );
}
