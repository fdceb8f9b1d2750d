import { LoaderCircle } from "lucide-react";
import { useState, type SyntheticEvent } from "react";
import { ApiError, errorText } from "@/api/client";
import { useLogin } from "@/api/session";
import { Mark } from "@/components/shell/mark";
import { Button } from "@/components/ui/button";
import { Input } from "@/components/ui/input";

/** Why it did not work: the one case that everybody meets in words of its own. */
function loginError(error: unknown): string {
  if (error instanceof ApiError && error.status === 401) {
    return "User name or password is wrong.";
  }
  if (error instanceof ApiError && error.status === 429) {
    const wait = error.retryAfterSeconds;
    return `Too many tries. Wait ${wait === undefined ? "a minute" : `${wait} s`} and try again.`;
  }
  return errorText(error);
}

export function Login() {
  const login = useLogin();
  const [username, setUsername] = useState("");
  const [password, setPassword] = useState("");
  const submit = (event: SyntheticEvent) => {
    event.preventDefault();
    login.mutate({ username: username.trim(), password });
  };
  return (
    <main className="flex h-full items-center justify-center p-6">
      <form onSubmit={submit} className="w-full max-w-80 -translate-y-8">
        <Mark className="size-10" />
        <h1 className="mt-5 text-lg font-semibold tracking-tight">Log in to Sidetone</h1>
        <p className="mt-0.5 text-ink-soft">See, hear and review live calls.</p>
        <label className="mt-6 block">
          <span className="mb-1 block text-xs font-medium text-ink-soft">User name</span>
          <Input
            name="username"
            autoComplete="username"
            autoCapitalize="none"
            required
            autoFocus
            value={username}
            onChange={(event) => setUsername(event.target.value)}
          />
        </label>
        <label className="mt-3 block">
          <span className="mb-1 block text-xs font-medium text-ink-soft">Password</span>
          <Input
            name="password"
            type="password"
            autoComplete="current-password"
            required
            value={password}
            onChange={(event) => setPassword(event.target.value)}
          />
        </label>
        <Button
          type="submit"
          variant="primary"
          size="md"
          className="mt-5 w-full"
          disabled={login.isPending}
        >
          {login.isPending && <LoaderCircle aria-hidden className="animate-spin" />}
          Log in
        </Button>
        <p role="alert" className="mt-3 min-h-10 text-bad-ink">
          {login.isError && loginError(login.error)}
        </p>
      </form>
    </main>
  );
}
