import { useState } from "react";
import { useAddUser } from "@/api/team";
import { FormDialog } from "@/components/form-dialog";
import { RoleSelect } from "@/components/role-select";
import { TextField } from "@/components/text-field";
import { formErrors } from "@/lib/form";
import { newPassword } from "@/lib/password";
import type { Client } from "@/wire/Client";
import type { Role } from "@/wire/Role";
import type { Handed } from "./handed-password";
import { PasswordField } from "./password-field";

interface Props {
  /** Whose user it is; one's own client unless said otherwise. */
  client?: Client;
  onClose: () => void;
  onHanded: (handed: Handed) => void;
}

/** Adds somebody, with a password that is handed over. */
export function UserForm({ client, onClose, onHanded }: Props) {
  const add = useAddUser(client?.id);
  const [username, setUsername] = useState("");
  const [fullName, setFullName] = useState("");
  const [role, setRole] = useState<Role>(client === undefined ? "supervisor" : "admin");
  const [password, setPassword] = useState(newPassword);
  const errors = formErrors(add.error, ["username", "fullName", "role", "password"]);
  const submit = () =>
    add.mutate(
      {
        username: username.trim(),
        password,
        role,
        ...(fullName.trim() === "" ? {} : { fullName: fullName.trim() }),
      },
      {
        onSuccess: (user) => {
          onClose();
          onHanded({ username: user.username, password });
        },
      },
    );
  return (
    <FormDialog
      open
      onOpenChange={onClose}
      title={client === undefined ? "Add a user" : `Add a user of ${client.name}`}
      description="They log in with the name and the password. To let them choose both, make an invite."
      act="Add"
      pending={add.isPending}
      error={errors.general}
      disabled={username.trim() === "" || password === ""}
      onSubmit={submit}
    >
      <TextField
        name="User name"
        text="a-z, 0-9 and . _ @ + -"
        error={errors.of("username")}
        maxLength={64}
        autoCapitalize="none"
        autoComplete="off"
        spellCheck={false}
        value={username}
        onChange={setUsername}
      />
      <TextField
        name="Full name"
        error={errors.of("fullName")}
        autoComplete="off"
        value={fullName}
        onChange={setFullName}
      />
      <RoleSelect value={role} onChange={setRole} error={errors.of("role")} />
      <PasswordField value={password} onChange={setPassword} error={errors.of("password")} />
    </FormDialog>
  );
}
