import { UserPlus } from "lucide-react";
import { useState, type ReactNode } from "react";
import { mayRule } from "@/api/recordings";
import { useRemoveUser, useUsers } from "@/api/team";
import { Card, Section } from "@/components/page";
import { Removal } from "@/components/row-acts";
import { Loaded } from "@/components/states";
import { Button } from "@/components/ui/button";
import { Table, TableBody, TableHead, TableHeader, TableRow } from "@/components/ui/table";
import type { Me } from "@/wire/Me";
import type { User } from "@/wire/User";
import { HandedPassword, type Handed } from "./handed-password";
import { UserForm } from "./user-form";
import { PasswordReset } from "./user-password";
import { UserLine } from "./user-line";

/** The people of the tenant. */
export function Users({ me }: { me: Me }) {
  const users = useUsers();
  const remove = useRemoveUser();
  const [added, setAdded] = useState(false);
  const [reset, setReset] = useState<User>();
  const [removed, setRemoved] = useState<User>();
  const [handed, setHanded] = useState<Handed>();
  return (
    <Section
      title="Users"
      text={`People who log in for ${me.clientName}.`}
      acts={
        mayRule(me) && (
          <Button onClick={() => setAdded(true)}>
            <UserPlus aria-hidden />
            Add a user
          </Button>
        )
      }
    >
      <Loaded query={users} what="The users">
        {(items) => (
          <Card>
            <UserTable>
              {items.map((user) => (
                <UserLine
                  key={user.id}
                  user={user}
                  me={me}
                  onReset={() => setReset(user)}
                  onRemove={() => setRemoved(user)}
                />
              ))}
            </UserTable>
          </Card>
        )}
      </Loaded>
      {added && <UserForm onClose={() => setAdded(false)} onHanded={setHanded} />}
      {reset !== undefined && (
        <PasswordReset user={reset} onClose={() => setReset(undefined)} onHanded={setHanded} />
      )}
      <Removal
        id={removed?.id}
        title={`Remove ${removed?.username ?? "the user"}?`}
        text="They are logged out at once, on every device, and cannot log in again. What they did stays in the audit log."
        remove={remove}
        onClose={() => setRemoved(undefined)}
      />
      <HandedPassword handed={handed} onClose={() => setHanded(undefined)} />
    </Section>
  );
}

function UserTable({ children }: { children: ReactNode }) {
  return (
    <Table aria-label="Users">
      <TableHead>
        <TableRow>
          <TableHeader>Name</TableHeader>
          <TableHeader>Role</TableHeader>
          <TableHeader>State</TableHeader>
          <TableHeader>Since</TableHeader>
          <TableHeader>
            <span className="sr-only">Acts</span>
          </TableHeader>
        </TableRow>
      </TableHead>
      <TableBody>{children}</TableBody>
    </Table>
  );
}
