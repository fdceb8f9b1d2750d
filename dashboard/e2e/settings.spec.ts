import { expect, test, type Page } from "@playwright/test";
import { ask, expectAccessible, keepBoth, logIn } from "./support";

const dialog = (page: Page) => page.getByRole("dialog");

test("a vendor's account is added, and its calls are known by their webhooks", async ({
  page,
  request,
}) => {
  await logIn(page, "/settings/connections");
  await page.getByRole("button", { name: "Add a connection" }).first().click();
  await dialog(page).getByLabel("Name").fill("Sales assistant");
  await dialog(page).getByLabel("API key").fill("not-a-real-key");
  await dialog(page).getByLabel("How they are signed").selectOption("bearer");
  await dialog(page).getByLabel("Secret").fill("certainly-a-secret");
  await dialog(page).getByRole("button", { name: "Add", exact: true }).click();
  const card = page.getByTestId("connection-card").filter({ hasText: "Sales assistant" });
  const address = await card.locator("code").innerText();
  expect(address).toContain("/api/webhooks/vapi/default");

  const path = new URL(address).pathname;
  const call = { id: "e2e-vapi-call", type: "inboundPhoneCall", customer: { number: "+4915112" } };
  const tell = async (status: string, secret: string) => {
    const message = { type: "status-update", status, timestamp: Date.now(), call };
    const headers = { authorization: `Bearer ${secret}` };
    return (await request.post(path, { data: { message }, headers })).status();
  };
  expect(await tell("in-progress", "somebody else's secret")).toBe(401);
  expect(await tell("in-progress", "certainly-a-secret")).toBe(200);
  const { body } = await ask(page, "GET", "/api/calls?upstream=vapi");
  const ids = (body as { items: { upstreamCallId: string }[] }).items.map(
    ({ upstreamCallId }) => upstreamCallId,
  );
  expect(ids).toContain(call.id);
  expect(await tell("ended", "certainly-a-secret")).toBe(200);

  await card.getByRole("button", { name: "Test" }).click();
  await expect(card.getByRole("status")).toHaveAttribute("data-outcome", /.+/);
});

test("a recogniser is told to write nothing down, and says so", async ({ page }) => {
  await logIn(page, "/settings/connections");
  await page.getByRole("button", { name: "Add a connection" }).first().click();
  await dialog(page).getByLabel("Vendor").selectOption("Deepgram");
  await dialog(page).getByLabel("Name").fill("Ears");
  await dialog(page).getByLabel("API key").fill("not-a-real-key");
  await dialog(page).getByLabel("Language").fill("de");
  await expectAccessible(page);
  await dialog(page).getByLabel("What it writes down").selectOption("No call");
  await dialog(page).getByRole("button", { name: "Add", exact: true }).click();
  const card = page.getByTestId("connection-card").filter({ hasText: "Ears" });
  await expect(card).toContainText("No sound goes to the provider.");
  await page.getByRole("button", { name: "Remove Ears" }).click();
  await dialog(page).getByRole("button", { name: "Remove" }).click();
  await expect(card).toBeHidden();
});

test("somebody is rung for a supervisor who is lost, if that is chosen", async ({ page }) => {
  await logIn(page, "/settings/supervision");
  const act = page.getByLabel("What is done then");
  await act.selectOption("Ring somebody");
  await page.getByLabel("To", { exact: true }).selectOption("A telephone");
  const number = page.getByLabel("Number");
  await number.fill("12");
  await page.getByRole("button", { name: "Save" }).click();
  await expect(page.getByRole("alert")).toContainText("+49301234567");
  await number.fill("+49 30 1234567");
  await expectAccessible(page);
  await page.getByRole("button", { name: "Save" }).click();
  await expect(page.getByText("Saved.")).toBeVisible();
  await expect(number).toHaveValue("+49301234567");
  await act.selectOption("Nothing more");
  await page.getByRole("button", { name: "Save" }).click();
  await expect(page.getByText("Saved.")).toBeVisible();
  await page.reload();
  await expect(act).toHaveValue("hand_back");
});

test("a branch gets a number, and cannot be removed while it has one", async ({ page }) => {
  await logIn(page, "/settings/branches");
  await page.getByRole("button", { name: "Add a branch" }).first().click();
  await dialog(page).getByLabel("Name").fill("Berlin");
  await dialog(page).getByLabel("Time zone").fill("Europe/Berlin");
  await dialog(page).getByRole("button", { name: "Add", exact: true }).click();
  await expect(page.getByRole("row", { name: /Berlin/ })).toBeVisible();

  await page.getByRole("button", { name: "Add a number" }).first().click();
  const number = dialog(page).getByLabel("Number");
  await number.fill("12");
  await dialog(page).getByRole("button", { name: "Add", exact: true }).click();
  await expect(dialog(page).getByRole("alert")).toBeVisible();
  await number.fill("+493012345678");
  await dialog(page).getByLabel("What it is for").fill("Hotline");
  await dialog(page).getByLabel("Branch").selectOption("Berlin");
  await dialog(page).getByRole("button", { name: "Add", exact: true }).click();
  await expect(page.getByRole("row", { name: /\+493012345678/ })).toContainText("Berlin");

  await page.getByRole("button", { name: "Remove Berlin" }).click();
  await dialog(page).getByRole("button", { name: "Remove" }).click();
  await expect(dialog(page).getByRole("alert")).toContainText("numbers");
});

test("a campaign is added and switched off", async ({ page }) => {
  await logIn(page, "/settings/campaigns");
  await page.getByRole("button", { name: "Add a campaign" }).first().click();
  await dialog(page).getByLabel("Name").fill("Spring sale");
  await dialog(page).getByLabel("Word").fill("spring-sale");
  await dialog(page).getByLabel("What it is about").fill("Callbacks for the spring catalogue");
  await dialog(page).getByLabel("Numbers").fill("+49 30 111\n+49 30 112");
  await dialog(page).getByRole("button", { name: "Add", exact: true }).click();
  const campaign = page.getByRole("row", { name: /Spring sale/ });
  await expect(campaign).toContainText("Active");
  await page.getByRole("button", { name: "Change Spring sale" }).click();
  await dialog(page).getByRole("switch").click();
  await dialog(page).getByRole("button", { name: "Save" }).click();
  await expect(campaign).toContainText("Inactive");
});

test("quick messages are put in order and stay so", async ({ page }) => {
  await logIn(page, "/settings/messages");
  await page.getByRole("button", { name: "Add a message" }).click();
  await page.keyboard.type("Ask for the order number");
  const last = page.getByLabel(/^Text of message/).last();
  await expect(last).toHaveValue("Ask for the order number");
  const count = await page.getByLabel(/^Text of message/).count();
  await page.getByRole("button", { name: `Move message ${count} up` }).click();
  await page.getByRole("button", { name: "Save" }).click();
  await expect(page.getByText("Saved.")).toBeVisible();
  await page.reload();
  await expect(page.getByLabel(`Text of message ${count - 1}`)).toHaveValue(
    "Ask for the order number",
  );
});

test("a webhook's secret is shown once, and its deliveries are told", async ({ page }) => {
  await logIn(page, "/settings/webhooks");
  await page.getByRole("button", { name: "Add a webhook" }).first().click();
  await dialog(page).getByLabel("Address").fill("http://10.0.0.1/inside");
  await dialog(page).getByRole("button", { name: "Add", exact: true }).click();
  await expect(dialog(page).getByRole("alert")).toBeVisible(); // nobody is told inside of our net
  await dialog(page).getByLabel("Address").fill("https://nobody.invalid/hook");
  await dialog(page).getByLabel("What it is for").fill("CRM");
  await dialog(page)
    .getByLabel(/^A call began/)
    .click();
  await dialog(page).getByRole("button", { name: "Add", exact: true }).click();
  await expect(dialog(page).getByText(/^whsec_/)).toBeVisible();
  await dialog(page).getByRole("button", { name: "I have kept it" }).click();

  const card = page.getByTestId("subscription");
  await card.getByRole("button", { name: "Send a test" }).click();
  await expect(card.getByRole("status")).toContainText("The test did not arrive");
  const ping = page.getByTestId("delivery").filter({ hasText: "ping" }).first();
  await expect(ping).toBeVisible();
  await ping.getByRole("button", { name: "Show" }).click();
  await expect(page.getByLabel("What is sent")).toContainText('"ping"');
  await card.getByRole("button", { name: "Rotate the secret" }).click();
  await dialog(page).getByRole("button", { name: "Make a new secret" }).click();
  await expect(dialog(page).getByText(/^whsec_/)).toBeVisible();
});

/** What the tests before have left, also when they did not run. */
async function prepare(page: Page): Promise<void> {
  const given: readonly (readonly [string, object])[] = [
    ["/api/connections", { kind: "vapi", name: "Sales assistant" }],
    ["/api/branches", { name: "Berlin", timezone: "Europe/Berlin" }],
    ["/api/phone-numbers", { number: "+493012345678", label: "Hotline" }],
    ["/api/campaigns", { word: "spring-sale", name: "Spring sale" }],
  ];
  for (const [path, body] of given) await ask(page, "POST", path, body); // 409: it is there
  const path = "/api/webhook-subscriptions";
  const { body } = await ask(page, "GET", path);
  const [known] = (body as { items: { id: string }[] }).items;
  if (known !== undefined) return;
  const hook = { url: "https://nobody.invalid/hook", events: ["call.ended"] };
  const { body: made } = await ask(page, "POST", path, hook);
  await ask(page, "POST", `${path}/${(made as { id: string }).id}/test`);
}

test("every setting is accessible and looks right in both themes", async ({ page }) => {
  await logIn(page, "/settings/connections");
  await prepare(page);
  await page.reload();
  await expect(page.getByTestId("connection-card").first()).toBeVisible();
  await keepBoth(page, "connections");
  const nav = page.getByRole("navigation", { name: "Settings" });
  for (const [name, shown] of [
    ["Supervision", page.getByLabel("What is done then")],
    ["Branches", page.getByRole("row", { name: /\+493012345678/ })],
    ["Campaigns", page.getByRole("row", { name: /Spring sale/ })],
    ["Quick messages", page.getByLabel("Text of message 1", { exact: true })],
    ["Webhooks", page.getByTestId("subscription").first()],
  ] as const) {
    await nav.getByRole("link", { name }).click();
    await expect(shown).toBeVisible();
    if (name === "Webhooks") {
      await page.getByRole("button", { name: "Deliveries" }).first().click();
      await expect(page.getByTestId("delivery").first()).toBeVisible();
    }
    await keepBoth(page, name.toLowerCase().replace(" ", "-"));
  }
});
