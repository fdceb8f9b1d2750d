import { LoaderCircle } from "lucide-react";
import { useState, type SyntheticEvent } from "react";
import { ApiError } from "@/api/client";
import { useRegister } from "@/api/session";
import { Mark } from "@/components/shell/mark";
import { TextField } from "@/components/text-field";
import { Button } from "@/components/ui/button";
import { formErrors } from "@/lib/form";

/** Why it did not work, where the server's word alone does not say what to do. */
function trouble(error: unknown, general: string | undefined): string | undefined {
  const refused = error instanceof ApiError && error.status === 403;
  return refused ? `${error.message} Ask whoever invited you for a new invite.` : general;
}

/** For who was invited: a name and a password of their own. The invite is behind the address's #. */
export default function Register() {
  return (
    <main className="flex h-full items-center justify-center p-6">
      <div className="w-full max-w-80 -translate-y-8">
        <Mark className="size-10" />
        <div className="mt-5 mb-6">
          <h1 className="text-lg font-semibold tracking-tight">Join Sidetone</h1>
          <p className="mt-0.5 text-ink-soft">You were invited. Choose how you log in.</p>
        </div>
        <RegisterForm />
      </div>
    </main>
  );
}

function RegisterForm() {
  const register = useRegister();
  const [username, setUsername] = useState("");
  const [fullName, setFullName] = useState("");
  const [password, setPassword] = useState("");
  const errors = formErrors(register.error, ["username", "full_name", "password"]);
  const general = trouble(register.error, errors.general);
  const submit = (event: SyntheticEvent) => {
    event.preventDefault();
    register.mutate({
      username: username.trim(),
      password,
      invite: location.hash.slice(1),
      ...(fullName.trim() === "" ? {} : { fullName: fullName.trim() }),
    });
  };
  return (
    <form noValidate onSubmit={submit} className="grid gap-3">
      <TextField
        name="User name"
        text="a-z, 0-9 and . _ @ + -"
        error={errors.of("username")}
        maxLength={64}
        autoComplete="username"
        autoCapitalize="none"
        spellCheck={false}
        autoFocus
        value={username}
        onChange={setUsername}
      />
      <TextField
        name="Full name"
        text="What others see. May be left empty."
        error={errors.of("full_name")}
        autoComplete="name"
        value={fullName}
        onChange={setFullName}
      />
      <TextField
        name="Password"
        text="8 to 128 characters."
        error={errors.of("password")}
        type="password"
        autoComplete="new-password"
        maxLength={128}
        value={password}
        onChange={setPassword}
      />
      <Button
        type="submit"
        variant="primary"
        size="md"
        className="mt-2 w-full"
        disabled={register.isPending || username.trim() === "" || password === ""}
      >
        {register.isPending && <LoaderCircle aria-hidden className="animate-spin" />}
        Join
      </Button>
      <p role="alert" className="min-h-10 text-bad-ink">
        {general}
      </p>
    </form>
  );
}
