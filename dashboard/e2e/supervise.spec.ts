import { expect, test, type Page } from "@playwright/test";
import type { Role } from "../src/wire/Role";
import type { User } from "../src/wire/User";
import {
  ask,
  AUDIBLE,
  expectAudible,
  freshCall,
  heard,
  keepBoth,
  logIn,
  type Account,
} from "./support";

// waiting for a call that has just begun may take most of it
test.describe.configure({ timeout: 150_000 });

const consoleOf = (page: Page) => page.getByTestId("console");
const status = (page: Page) => page.getByTestId("console-status");
const button = (page: Page, name: string | RegExp) =>
  consoleOf(page).getByRole("button", { name, exact: true });

/** Opens a call and is heard by nobody yet. */
async function open(page: Page, callId: string): Promise<void> {
  await page.locator(`[data-call="${callId}"]`).getByTestId("timer").click();
  await expect(consoleOf(page)).toBeVisible();
}

/** Where the acts are: nothing of them may move. */
const places = (page: Page) =>
  consoleOf(page)
    .getByRole("button")
    .evaluateAll((buttons) =>
      buttons.map((each) => {
        const { x, y, width, height } = each.getBoundingClientRect();
        return [x, y, width, height].map(Math.round).join(" ");
      }),
    );

/** Positions that the meter of the microphone has. */
const meter = (page: Page) =>
  consoleOf(page)
    .locator('[style*="scaleX"]')
    .evaluateAll((bars) => bars.map((bar) => (bar as HTMLElement).style.transform).join());

/** A colleague, for as long as the test lasts. */
async function withColleague(
  page: Page,
  username: string,
  role: Role,
  act: (account: Account) => Promise<void>,
): Promise<void> {
  const account = { username, password: "a password of hers" };
  const made = await ask(page, "POST", "/api/users", {
    ...account,
    role,
    fullName: "Ada Lovelace",
  });
  expect(made.status).toBe(201);
  try {
    await act(account);
  } finally {
    await ask(page, "DELETE", `/api/users/${(made.body as User).id}`);
  }
}

test("a supervisor listens, whispers, barges in, takes the call over and hands it back", async ({
  page,
}) => {
  await page.emulateMedia({ reducedMotion: "reduce" }); // what moves shows in `places`
  await logIn(page);
  const { id: callId, row } = await freshCall(page);
  await open(page, callId);
  await row.getByRole("button", { name: /^Listen to/ }).click();
  const before = await places(page);
  await expect(status(page)).toHaveText("The agent has the call.");

  await button(page, "Arm the microphone").click();
  await expect(status(page)).toContainText("armed. Nobody hears you");
  const rest = await meter(page);
  await expect.poll(() => meter(page)).not.toBe(rest); // it beeps, and lets nothing out
  expect((await heard(page)).microphone).toBeLessThan(AUDIBLE);

  await page.keyboard.down("w");
  await expect(status(page)).toContainText("only the agent hears you");
  await expect(button(page, "Whisper")).toHaveAttribute("aria-pressed", "true");
  await page.keyboard.up("w");
  await expect(status(page)).toContainText("Nobody hears you");

  await button(page, "Barge in").click();
  await expect(status(page)).toContainText("You speak to everybody");
  await expectAudible(page, "microphone");
  await button(page, "Barge in").click();
  await expect(status(page)).toContainText("Nobody hears you");

  await page.keyboard.press("t");
  const dialog = page.getByRole("dialog", { name: "Take the call over?" });
  await dialog.getByRole("button", { name: "Take over" }).click();
  await expect(dialog).toBeHidden();
  await expect(status(page)).toContainText("You have the call");
  await expect(page.getByTestId("panel").getByText(/^Held by/)).toBeVisible();
  expect(await places(page)).toEqual(before);

  await page.keyboard.press("h");
  await expect(status(page)).toContainText("The agent has the call.");
  await expect(button(page, "Take over")).toBeVisible();
  await button(page, "Disarm the microphone").click();
  await expect(status(page)).toHaveText("The agent has the call.");
  expect(await places(page)).toEqual(before);
});

test("the agent is written to, in one's own words and with a quick message", async ({ page }) => {
  await logIn(page);
  const items = [{ text: "Offer ten percent.", label: "10 %" }];
  expect((await ask(page, "PUT", "/api/whisper-pills", { items })).status).toBe(200);
  const { id: callId } = await freshCall(page);
  await open(page, callId);
  await expect(page.getByTestId("watching")).toHaveText("Nobody watches this call.");
  const before = await places(page);
  await consoleOf(page).getByLabel("Write to the agent").fill("Slow down.");
  await button(page, "Send").click();
  const written = page.getByTestId("written");
  await expect(written).toHaveText("The agent has it: Slow down.");
  await button(page, "10 %").click();
  await expect(written).toHaveText("The agent has it: Offer ten percent.");
  expect(await places(page)).toEqual(before);
  await page.getByRole("tab", { name: "Notes" }).click();
  await expect(page.getByTestId("panel").getByText("Slow down.").last()).toBeVisible();
});

test("of two supervisors one has the call, and the other reads who was faster and listens on", async ({
  page,
  browser,
  baseURL,
}) => {
  await logIn(page);
  await withColleague(page, "ada.console", "supervisor", async (account) => {
    const context = await browser.newContext(baseURL === undefined ? {} : { baseURL });
    const hers = await context.newPage();
    await logIn(hers, "/", account);
    const { id: callId } = await freshCall(page);
    await open(page, callId);
    await open(hers, callId);
    await hers
      .getByTestId("panel")
      .getByRole("button", { name: /^Listen to/ })
      .click();

    // both are asked, and she answers last
    await button(hers, "Take over").click();
    await button(page, "Take over").click();
    await page.getByRole("dialog").getByRole("button", { name: "Take over" }).click();
    await expect(status(page)).toContainText("You have the call");
    const dialog = hers.getByRole("dialog");
    await dialog.getByRole("button", { name: "Take over" }).click();
    await expect(dialog.getByRole("alert")).toContainText("was faster and has the call");
    await dialog.getByRole("button", { name: "Cancel" }).click();
    await expect(button(hers, "Take over")).toHaveAttribute("aria-disabled", "true");
    await expect(hers.getByTestId("dock")).toContainText("Listening to 1 call");
    await expectAudible(hers, `${callId}/customer`);

    await page.keyboard.press("h");
    await expect(button(hers, "Take over")).not.toHaveAttribute("aria-disabled", "true");
    await context.close();
  });
});

test("a call is given to a colleague after a word, who gives it back to the agent", async ({
  page,
  browser,
  baseURL,
}) => {
  test.setTimeout(240_000); // two browsers, and a call that has just begun
  await logIn(page);
  await withColleague(page, "ada.transfer", "agent", async (account) => {
    const context = await browser.newContext(baseURL === undefined ? {} : { baseURL });
    const hers = await context.newPage();
    await logIn(hers, "/agents", account);
    const { id: callId } = await freshCall(page);
    await open(page, callId);
    const before = await places(page);
    await button(page, "Transfer").click();
    const dialog = page.getByRole("dialog", { name: "Transfer the call" });
    await dialog.getByLabel("To", { exact: true }).selectOption("colleague");
    const ada = dialog.getByRole("option", { name: /^Ada Lovelace/ });
    await dialog.getByLabel("Colleague").selectOption((await ada.textContent()) ?? "");
    await dialog.getByRole("button", { name: "Ring" }).click();
    await expect(dialog).toBeHidden();
    await expect(status(page)).toContainText("Ringing Ada Lovelace");
    await expect(button(page, "Give the call")).toHaveAttribute("aria-disabled", "true");

    const offer = hers.getByTestId("transfer-offer");
    await expect(offer).toContainText("wants to give you a call");
    await offer.getByRole("button", { name: "Answer" }).click();
    await expect(offer).toContainText("The customer hears neither of you");
    await expect(status(page)).toContainText("You talk with Ada Lovelace");
    await expectAudible(page, "side/microphone");
    await expectAudible(hers, "side/microphone");

    await button(page, "Give the call").click();
    await expect(status(page)).toContainText("Ada Lovelace has the call.");
    await expect(status(page)).toContainText("Transferred to Ada Lovelace.");
    await expect(offer).toContainText("You have the call");
    await expectAudible(hers, `side/${callId}/customer`);

    await offer.getByRole("button", { name: "Give it back" }).click();
    await expect(offer).toBeHidden();
    await expect(status(page)).toContainText("The agent has the call.");
    expect(await places(page)).toEqual(before);
    await context.close();
  });
});

test("the console is accessible and looks right in both themes", async ({ page }) => {
  await logIn(page);
  const { id: callId } = await freshCall(page);
  await open(page, callId);
  await button(page, "Arm the microphone").click();
  await expect(status(page)).toContainText("Nobody hears you");
  await keepBoth(page, "console");
});
