import { expect, test, type Page } from "@playwright/test";
import { ask, expectAccessible, keepBoth, logIn } from "./support";

const row = (page: Page, user: string) => page.locator(`[data-user="${user}"]`);

async function secretOf(page: Page): Promise<string> {
  const dialog = page.getByRole("dialog");
  const secret = await dialog.locator("code").innerText();
  await dialog.getByRole("button", { name: "I have kept it" }).click();
  await expect(dialog).toBeHidden();
  return secret;
}

async function choose(page: Page, of: string, item: string) {
  await page.getByRole("button", { name: `More for ${of}` }).click();
  await page.getByRole("menuitem", { name: item }).click();
}

test("a user is added, gets another role, and is out at once when disabled", async ({
  page,
  playwright,
  baseURL,
}) => {
  await logIn(page, "/team");
  await page.getByRole("button", { name: "Add a user" }).click();
  await page.getByLabel("User name").fill("grace");
  await page.getByLabel("Full name").fill("Grace Hopper");
  await page.getByRole("dialog").getByRole("button", { name: "Add", exact: true }).click();
  await expect(page.getByText("The password of grace")).toBeVisible();
  const password = await secretOf(page);
  await row(page, "grace").getByRole("combobox").selectOption("auditor");
  await expect(row(page, "grace").getByRole("combobox")).toHaveValue("auditor");
  await expect(row(page, "grace").getByRole("combobox")).toBeEnabled();

  // her own browser
  const hers = await playwright.request.newContext(baseURL === undefined ? {} : { baseURL });
  const login = { username: "grace", password };
  const session = await hers.post("/api/auth/login", { data: login });
  expect(session.status()).toBe(200);
  const { access_token: token } = (await session.json()) as { access_token: string };
  const headers = { authorization: `Bearer ${token}` };
  const me = await hers.get("/api/me", { headers });
  expect(((await me.json()) as { role: string }).role).toBe("auditor");

  await choose(page, "grace", "Disable…");
  await page.getByRole("dialog").getByRole("button", { name: "Disable" }).click();
  await expect(row(page, "grace")).toContainText("Disabled");
  expect((await hers.get("/api/me", { headers })).status()).toBe(401);
  expect((await hers.post("/api/auth/login", { data: login })).ok()).toBe(false);
  await hers.dispose();

  await choose(page, "grace", "Remove…");
  await page.getByRole("dialog").getByRole("button", { name: "Remove" }).click();
  await expect(row(page, "grace")).toHaveCount(0);
});

test("the last admin stays one, and is told why", async ({ page }) => {
  await logIn(page, "/team");
  await row(page, "admin").getByRole("combobox").selectOption("agent");
  const dialog = page.getByRole("dialog");
  await dialog.getByRole("button", { name: "Change my role" }).click();
  await expect(dialog.getByRole("alert")).toContainText("last admin");
  await dialog.getByRole("button", { name: "Cancel" }).click();
  await expect(row(page, "admin").getByRole("combobox")).toHaveValue("admin");
});

test("a key works until it is revoked, and is shown once", async ({
  page,
  playwright,
  baseURL,
}) => {
  await logIn(page, "/team/keys");
  await page.getByRole("button", { name: "Make a key" }).first().click();
  await page.getByLabel("What it is for").fill("CRM");
  await page.getByRole("button", { name: "Make the key" }).click();
  await expect(page.getByText("The new key")).toBeVisible();
  const key = await secretOf(page);
  expect(key).toMatch(/^stk_/);
  await expect(page.getByText(key)).toHaveCount(0);

  const program = await playwright.request.newContext(baseURL === undefined ? {} : { baseURL });
  const headers = { authorization: `Bearer ${key}` };
  expect((await program.get("/api/me", { headers })).status()).toBe(200);
  await page.getByRole("button", { name: "Revoke CRM" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Revoke" }).click();
  await expect(page.getByTestId("key-row").first()).toHaveAttribute("data-state", "revoked");
  expect((await program.get("/api/me", { headers })).status()).toBe(401);
  await program.dispose();
});

test("who was invited joins with a name of their own, and an invite that was taken back opens nothing", async ({
  page,
  browser,
}) => {
  await logIn(page, "/team/invites");
  const invite = async () => {
    await page.getByRole("button", { name: "Invite somebody" }).first().click();
    await page.getByRole("button", { name: "Make the invite" }).click();
    return secretOf(page);
  };
  const join = async (address: string, name: string) => {
    const context = await browser.newContext();
    const theirs = await context.newPage();
    await theirs.goto(address);
    await theirs.getByLabel("User name").fill(name);
    await theirs.getByLabel("Password").fill("correct horse battery");
    await theirs.getByRole("button", { name: "Join" }).click();
    return theirs;
  };
  const joined = await join(await invite(), "ines");
  await expect(joined.getByTestId("connection")).toHaveText("Live");
  expect(joined.url()).not.toContain("#");
  await joined.context().close();

  const address = await invite();
  await page.getByRole("button", { name: "Take back" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Take it back" }).click();
  await expect(page.getByTestId("invite-row").first()).toHaveAttribute("data-state", "revoked");
  const refused = await join(address, "otto");
  await expect(refused.getByRole("alert")).toContainText("new invite");
  await expectAccessible(refused);
  await refused.context().close();
});

test("a client is added with its first admin, disabled and enabled again", async ({ page }) => {
  await logIn(page, "/team/clients");
  await page.getByRole("button", { name: "Add a client" }).click();
  await page.getByLabel("Name").fill("Northwind Traders");
  await expect(page.getByLabel("Slug")).toHaveValue("northwind-traders");
  await page.getByRole("dialog").getByRole("button", { name: "Add", exact: true }).click();
  const client = page.locator('[data-client="northwind-traders"]');
  await client.getByRole("button", { name: "Members" }).click();
  await page.getByRole("button", { name: "Add a new user" }).first().click();
  await page.getByLabel("User name").fill("nancy");
  await page.getByRole("dialog").getByRole("button", { name: "Add", exact: true }).click();
  await secretOf(page);
  await expect(row(page, "nancy")).toBeVisible();

  await choose(page, "Northwind Traders", "Disable…");
  await expect(page.getByRole("dialog")).toContainText("logged out at once");
  await page.getByRole("dialog").getByRole("button", { name: "Disable" }).click();
  await expect(client).toContainText("Disabled");
  await choose(page, "Northwind Traders", "Enable");
  await expect(client).toContainText("Active");

  await choose(page, "Northwind Traders", "Remove…");
  await page.getByRole("dialog").getByRole("button", { name: "Remove" }).click();
  await expect(page.getByRole("dialog").getByRole("alert")).toContainText("members");
});

test("the team is accessible and looks right in both themes", async ({ page }) => {
  await logIn(page, "/team");
  for (const [username, fullName, role] of [
    ["alan", "Alan Turing", "supervisor"],
    ["audrey", "Audrey Tang", "auditor"],
    ["linus", "Linus Pauling", "agent"],
  ] as const) {
    const password = "correct horse battery";
    await ask(page, "POST", "/api/users", { username, fullName, role, password });
  }
  await ask(page, "POST", "/api/api-keys", { name: "Importer", role: "agent" });
  await page.reload();
  await expect(row(page, "linus")).toBeVisible();
  await keepBoth(page, "team");
  await page.getByRole("link", { name: "API keys" }).click();
  await expect(page.getByTestId("key-row").first()).toBeVisible();
  await expectAccessible(page);
  await page.getByRole("link", { name: "Clients" }).click();
  await page.locator("[data-client]").last().getByRole("button", { name: "Members" }).click();
  await expect(page.getByTestId("member-row").first()).toBeVisible();
  await keepBoth(page, "clients");
});
