import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { cleanup, render, screen } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { afterEach, expect, test, vi } from "vitest";
import { keys } from "@/api/query";
import { Login } from "./login";

afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
});

type Answer = (path: string) => Response;

/** Fills the form and sends it to a server that answers as given. */
async function logIn(answer: Answer): Promise<QueryClient> {
  vi.stubGlobal("fetch", (path: string) => Promise.resolve(answer(path)));
  const client = new QueryClient();
  render(
    <QueryClientProvider client={client}>
      <Login />
    </QueryClientProvider>,
  );
  await userEvent.type(screen.getByLabelText("User name"), " sam ");
  await userEvent.type(screen.getByLabelText("Password"), "secret");
  await userEvent.click(screen.getByRole("button", { name: "Log in" }));
  return client;
}

test("wrong credentials are told below the button", async () => {
  await logIn(() => new Response("{}", { status: 401 }));
  expect((await screen.findByText(/is wrong/)).getAttribute("role")).toBe("alert");
});

test("too many tries tell how long to wait", async () => {
  await logIn(() => new Response("{}", { status: 429, headers: { "retry-after": "42" } }));
  await screen.findByText(/Wait 42 s/);
});

test("a good login shows who is logged in and forgets who was before", async () => {
  const me = { id: "u", username: "sam", role: "admin", clientId: "t", clientName: "T" };
  const client = await logIn((path) => Response.json(path === "/api/me" ? me : {}));
  await vi.waitFor(() => expect(client.getQueryData(keys.me)).toEqual(me));
  expect(client.getQueryData(keys.activeCalls)).toBeUndefined();
});
