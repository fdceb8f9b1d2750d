import { cleanup, screen } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { afterEach, expect, test, vi } from "vitest";
import { meOf } from "@/testing/people";
import { answering, refusal, show } from "@/testing/server";
import Register from "./register";

afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
  location.hash = "";
});

async function join() {
  await userEvent.type(screen.getByLabelText("User name"), "grace");
  await userEvent.type(screen.getByLabelText("Password"), "correct horse");
  await userEvent.click(screen.getByRole("button", { name: "Join" }));
}

test("the invite of the address is sent, and leaves the address", async () => {
  location.hash = "sti_token";
  const sent = answering({ "POST /api/register": {}, "GET /api/me": meOf("supervisor") });
  show(<Register />);
  await join();
  expect(sent[0]?.body).toEqual({
    username: "grace",
    password: "correct horse",
    invite: "sti_token",
  });
  await vi.waitFor(() => expect(location.hash).toBe(""));
});

test("an invite that is no longer good says whom to ask", async () => {
  location.hash = "sti_old";
  answering({ "POST /api/register": refusal(403, "invite_required", "the invite is used up") });
  show(<Register />);
  await join();
  await vi.waitFor(() =>
    expect(screen.getByRole("alert").textContent).toBe(
      "The invite is used up. Ask whoever invited you for a new invite.",
    ),
  );
  expect(location.hash).toBe("#sti_old");
});
