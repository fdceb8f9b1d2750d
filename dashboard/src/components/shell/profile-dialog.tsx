import { useState, type SyntheticEvent } from "react";
import { ApiError, errorText } from "@/api/client";
import { useChangePassword, useChangeProfile } from "@/api/session";
import { FormDialogFoot, StackedField } from "@/components/form";
import { Dialog } from "@/components/ui/dialog";
import { Input } from "@/components/ui/input";
import { Tabs, TabsContent, TabsList, TabsTrigger } from "@/components/ui/tabs";
import type { Me } from "@/wire/Me";

interface Props {
  me: Me;
  onClose: () => void;
}

const PASSWORD_MIN = 8;
const PASSWORD_MAX = 128;

/** What everybody may change about themselves. */
export default function ProfileDialog({ me, onClose }: Props) {
  return (
    <Dialog
      open
      onOpenChange={onClose}
      title="Your profile"
      description={`${me.username}, at ${me.clientName}`}
    >
      <Tabs defaultValue="profile" className="mt-3">
        <TabsList aria-label="Your profile">
          <TabsTrigger value="profile">Profile</TabsTrigger>
          <TabsTrigger value="password">Password</TabsTrigger>
        </TabsList>
        <TabsContent value="profile" className="pt-4">
          <Profile me={me} onClose={onClose} />
        </TabsContent>
        <TabsContent value="password" className="pt-4">
          <Password onClose={onClose} />
        </TabsContent>
      </Tabs>
    </Dialog>
  );
}

const fieldError = (error: unknown, field: string): string | undefined =>
  error instanceof ApiError ? error.fields.get(field) : undefined;

function Profile({ me, onClose }: Props) {
  const save = useChangeProfile();
  const [name, setName] = useState(me.fullName ?? "");
  const [number, setNumber] = useState(me.forwardingNumber ?? "");
  const submit = (event: SyntheticEvent) => {
    event.preventDefault();
    save.mutate(
      {
        ...(name.trim() === "" ? {} : { full_name: name.trim() }),
        forwarding_number: number.trim(),
      },
      { onSuccess: onClose },
    );
  };
  return (
    <form noValidate onSubmit={submit} className="grid gap-4">
      <StackedField name="Name" text="What others see." error={fieldError(save.error, "full_name")}>
        {(props) => (
          <Input
            {...props}
            autoComplete="name"
            maxLength={200}
            value={name}
            onChange={(event) => setName(event.target.value)}
          />
        )}
      </StackedField>
      <StackedField
        name="Forwarding number"
        text="Where calls for you go when you are not here: a number or a SIP address. Empty: nowhere."
        error={fieldError(save.error, "forwarding_number")}
      >
        {(props) => (
          <Input
            {...props}
            type="tel"
            autoComplete="tel"
            maxLength={128}
            value={number}
            onChange={(event) => setNumber(event.target.value)}
          />
        )}
      </StackedField>
      <FormDialogFoot act="Save" save={save} onCancel={onClose} />
    </form>
  );
}

/** Why the password was not changed: what everybody meets in words of its own. */
function passwordTrouble(error: unknown): string | undefined {
  if (error instanceof ApiError && error.code === "wrong_credentials") {
    return "This is not your current password.";
  }
  return error === null || fieldError(error, "newPassword") !== undefined
    ? undefined
    : errorText(error);
}

function Password({ onClose }: Pick<Props, "onClose">) {
  const save = useChangePassword();
  const [current, setCurrent] = useState("");
  const [next, setNext] = useState("");
  const [again, setAgain] = useState("");
  const differs = again !== "" && again !== next;
  const ready = current !== "" && next.length >= PASSWORD_MIN && next === again;
  const submit = (event: SyntheticEvent) => {
    event.preventDefault();
    if (ready) {
      save.mutate({ currentPassword: current, newPassword: next }, { onSuccess: onClose });
    }
  };
  return (
    <form noValidate onSubmit={submit} className="grid gap-4">
      <PasswordField
        name="Current password"
        autoComplete="current-password"
        value={current}
        error={passwordTrouble(save.error)}
        onChange={(text) => {
          setCurrent(text);
          save.reset();
        }}
      />
      <PasswordField
        name="New password"
        text={`At least ${PASSWORD_MIN} characters. You stay logged in here and nowhere else.`}
        autoComplete="new-password"
        value={next}
        error={fieldError(save.error, "newPassword")}
        onChange={setNext}
      />
      <PasswordField
        name="New password again"
        autoComplete="new-password"
        value={again}
        error={differs ? "This is not the same." : undefined}
        onChange={setAgain}
      />
      <FormDialogFoot
        act="Change password"
        save={{ isPending: save.isPending, isError: false, error: null }}
        disabled={!ready}
        onCancel={onClose}
      />
    </form>
  );
}

interface PasswordFieldProps {
  name: string;
  text?: string;
  autoComplete: "current-password" | "new-password";
  value: string;
  error: string | undefined;
  onChange: (text: string) => void;
}

function PasswordField({ name, text, autoComplete, value, error, onChange }: PasswordFieldProps) {
  return (
    <StackedField name={name} text={text} error={error}>
      {(props) => (
        <Input
          {...props}
          type="password"
          autoComplete={autoComplete}
          maxLength={PASSWORD_MAX}
          value={value}
          onChange={(event) => onChange(event.target.value)}
        />
      )}
    </StackedField>
  );
}
