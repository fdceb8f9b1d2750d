import { useState } from "react";
import { useChangeUser } from "@/api/team";
import { FormDialog } from "@/components/form-dialog";
import { formErrors } from "@/lib/form";
import type { User } from "@/wire/User";
import type { Handed } from "./handed-password";
import { PasswordField } from "./password-field";

interface Props {
  user: User;
  onClose: () => void;
  onHanded: (handed: Handed) => void;
}

/** Gives somebody a new password, for example because they forgot theirs. */
export function PasswordReset({ user, onClose, onHanded }: Props) {
  const change = useChangeUser(user.id);
  const [password, setPassword] = useState("");
  const errors = formErrors(change.error, ["password"]);
  return (
    <FormDialog
      open
      onOpenChange={onClose}
      title={`A new password for ${user.username}`}
      description="The one of now stops working at once, and they are logged out on every device."
      act="Set the password"
      pending={change.isPending}
      error={errors.general}
      disabled={password === ""}
      onSubmit={() =>
        change.mutate(
          { password },
          {
            onSuccess: () => {
              onClose();
              onHanded({ username: user.username, password });
            },
          },
        )
      }
    >
      <PasswordField value={password} onChange={setPassword} error={errors.of("password")} />
    </FormDialog>
  );
}
