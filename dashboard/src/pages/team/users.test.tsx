import { cleanup, screen, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { afterEach, expect, test, vi } from "vitest";
import { meOf, userOf } from "@/testing/people";
import { answering, list, refusal, show } from "@/testing/server";
import { Users } from "./users";

afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
});

const ada = userOf({ id: "me", username: "ada", role: "admin" });
const grace = userOf();

async function menu(name: string, item: string) {
  await userEvent.click(await screen.findByRole("button", { name: `More for ${name}` }));
  await userEvent.click(screen.getByRole("menuitem", { name: item }));
}

test("another's role is changed at once", async () => {
  const sent = answering({ "GET /api/users": list(ada, grace), "PATCH /api/users/u": grace });
  show(<Users me={meOf()} />);
  await userEvent.selectOptions(await screen.findByLabelText("Role of grace"), "Auditor");
  expect(sent).toEqual([{ act: "PATCH /api/users/u", body: { role: "auditor" } }]);
});

test("the last admin is told in the server's words why they stay one", async () => {
  answering({
    "GET /api/users": list(ada),
    "PATCH /api/users/me": refusal(409, "last_admin", "this is the last admin of the tenant"),
  });
  show(<Users me={meOf()} />);
  await userEvent.selectOptions(await screen.findByLabelText("Role of ada"), "Agent");
  const dialog = screen.getByRole("dialog");
  expect(dialog.textContent).toContain("You are logged out at once");
  await userEvent.click(within(dialog).getByRole("button", { name: "Change my role" }));
  expect((await screen.findByRole("alert")).textContent).toBe(
    "This is the last admin of the tenant.",
  );
});

test("disabling says what happens before anything is sent", async () => {
  const sent = answering({ "GET /api/users": list(ada, grace), "PATCH /api/users/u": grace });
  show(<Users me={meOf()} />);
  await menu("grace", "Disable…");
  expect(screen.getByRole("dialog").textContent).toContain("logged out at once");
  expect(sent).toEqual([]);
  await userEvent.click(screen.getByRole("button", { name: "Disable" }));
  await vi.waitFor(() => expect(screen.queryByRole("dialog")).toBeNull());
  expect(sent).toEqual([{ act: "PATCH /api/users/u", body: { disabled: true } }]);
});

test("a new user's password is shown once, to be handed over", async () => {
  const sent = answering({ "GET /api/users": list(ada), "POST /api/users": grace });
  show(<Users me={meOf()} />);
  await userEvent.click(screen.getByRole("button", { name: "Add a user" }));
  await userEvent.type(screen.getByLabelText("User name"), "grace");
  await userEvent.click(screen.getByRole("button", { name: "Add" }));
  await screen.findByText("The password of grace");
  const { password } = sent[0]?.body as { password: string };
  expect(screen.getByRole("dialog").textContent).toContain(password);
  await userEvent.click(screen.getByRole("button", { name: "I have kept it" }));
  expect(document.body.textContent).not.toContain(password);
});

test("a name that is refused is told at its field", async () => {
  const errors = [{ field: "username", message: "is not 1 to 64 characters" }];
  answering({
    "GET /api/users": list(ada),
    "POST /api/users": refusal(422, "validation_failed", "username: …", errors),
  });
  show(<Users me={meOf()} />);
  await userEvent.click(screen.getByRole("button", { name: "Add a user" }));
  await userEvent.type(screen.getByLabelText("User name"), "Ö");
  await userEvent.click(screen.getByRole("button", { name: "Add" }));
  expect((await screen.findByRole("alert")).textContent).toBe("Is not 1 to 64 characters.");
  expect(screen.getByLabelText("User name").getAttribute("aria-invalid")).toBe("true");
});

test("an auditor reads, and is offered nothing", async () => {
  answering({ "GET /api/users": list(ada, grace) });
  show(<Users me={meOf("auditor")} />);
  await screen.findByText("grace");
  expect(screen.queryAllByRole("button")).toEqual([]);
  expect(screen.queryAllByRole("combobox")).toEqual([]);
});
