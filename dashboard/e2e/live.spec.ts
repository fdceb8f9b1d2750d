import { expect, test, type Page } from "@playwright/test";
import type { Preferences } from "../src/wire/Preferences";
import {
  ask,
  AUDIBLE,
  expectAccessible,
  expectAudible,
  freshCall,
  heard,
  keepScreenshot,
  logIn,
  ROW,
  secondsOf,
} from "./support";

// waiting for a call that has just begun may take most of it
test.describe.configure({ timeout: 150_000 });

test("live calls are shown with running timers and moving meters", async ({ page }) => {
  await logIn(page);
  const row = page.locator(ROW).first();
  await expect(row).toBeVisible();
  await expect(page.getByTestId("active-count")).toHaveText(/^[1-9]\d* active calls?$/);

  const timer = row.getByTestId("timer");
  const before = secondsOf(await timer.innerText());
  await expect
    .poll(async () => secondsOf(await timer.innerText()), { timeout: 5_000 })
    .toBeGreaterThanOrEqual(before + 2);

  const meters = page.locator('[data-testid="call-row"] [style*="scaleX"]');
  const positions = () =>
    meters.evaluateAll((bars) => bars.map((bar) => (bar as HTMLElement).style.transform).join());
  const still = await positions();
  await expect.poll(positions).not.toBe(still);
});

test("listening is heard, party by party, and silent after stopping", async ({ page }) => {
  await logIn(page);
  const { id: callId, row: mine } = await freshCall(page);
  await mine.getByRole("button", { name: /^Listen to/ }).click();
  const dock = page.getByTestId("dock");
  await expect(dock).toContainText("Listening to 1 call");
  await expectAudible(page, `${callId}/customer`);
  await expectAudible(page, `${callId}/agent`);

  await dock.getByRole("button", { name: "Mute customer" }).click();
  await expect.poll(async () => (await heard(page))[`${callId}/customer`]).toBeLessThan(AUDIBLE);
  await dock.getByRole("button", { name: "Mute customer" }).click();

  const volume = dock.getByRole("slider", { name: "Volume of agent" });
  await volume.focus();
  await page.keyboard.press("Home");
  await expect(volume).toHaveAttribute("aria-valuenow", "0");
  await expect.poll(async () => (await heard(page))[`${callId}/agent`] ?? 0).toBeLessThan(AUDIBLE);

  await mine.getByRole("button", { name: /^Stop listening/ }).click();
  await expect(dock).toBeHidden();
  await expect.poll(() => heard(page)).toEqual({});
});

test("a call can be chosen, heard, muted and left with the keyboard alone", async ({ page }) => {
  await logIn(page);
  await expect(page.locator(ROW).first()).toBeVisible();
  await page.keyboard.press("/");
  await expect(page.getByRole("searchbox")).toBeFocused();
  await page.keyboard.press("Escape");
  const chosen = page.locator('[data-testid="call-row"][aria-selected="true"]');
  await expect(async () => {
    await page.keyboard.press("ArrowDown");
    await expect(chosen.getByRole("button", { name: /^Listen to/ })).toBeEnabled({ timeout: 500 });
  }).toPass();
  await page.keyboard.press("l");
  await expect(page.getByTestId("dock")).toBeVisible();
  await page.keyboard.press("m");
  const mute = page.getByTestId("dock").getByRole("button", { name: "Mute customer" });
  await expect(mute).toHaveAttribute("aria-pressed", "true");
  await page.keyboard.press("Enter");
  await expect(page.getByTestId("panel")).toBeVisible();
  await page.keyboard.press("Escape");
  await expect(page.getByTestId("panel")).toBeHidden();
  await page.keyboard.press("l");
  await expect(page.getByTestId("dock")).toBeHidden();
  await page.keyboard.press("?");
  await expect(page.getByRole("dialog", { name: "Keys" })).toBeVisible();
});

test("a search narrows the list and can be cleared", async ({ page }) => {
  await logIn(page);
  await expect(page.locator(ROW).first()).toBeVisible();
  await page.getByRole("searchbox").fill("certainly no call has this in it");
  await expect(page.getByRole("heading", { name: "No call matches" })).toBeVisible();
  await page.getByRole("button", { name: "Clear the filters" }).click();
  await expect(page.locator(ROW).first()).toBeVisible();
});

test("leaving the page stops what is heard", async ({ page }) => {
  await logIn(page);
  const { row: mine } = await freshCall(page);
  await mine.getByRole("button", { name: /^Listen to/ }).click();
  await expect.poll(async () => Object.keys(await heard(page)).length).toBe(2);
  await page.getByRole("link", { name: "History" }).click();
  await expect.poll(() => heard(page)).toEqual({});
});

// a layout is kept for the person: the next test finds the list again
test.afterEach(async ({ page }) => {
  const { status, body } = await ask(page, "GET", "/api/me/preferences");
  if (status !== 200) return;
  await ask(page, "PUT", "/api/me/preferences", { ...(body as Preferences), layout: "list" });
});

/** Looks at the live calls in a layout. */
async function look(page: Page, name: "Tiles" | "Focus: one call large") {
  const layout = page.getByRole("group", { name: "Layout" });
  await layout.getByRole("button", { name, exact: true }).click();
}

test("tiles are heard, pinned and opened, and the layout is kept", async ({ page }) => {
  await logIn(page);
  const { id: callId } = await freshCall(page);
  await look(page, "Tiles");
  const tile = page.locator(`[data-testid="call-tile"][data-call="${callId}"]`);
  await tile.getByRole("button", { name: /^Listen to/ }).click();
  await expectAudible(page, `${callId}/agent`);
  await tile.getByRole("button", { name: "Mute agent" }).click();
  await expect.poll(async () => (await heard(page))[`${callId}/agent`] ?? 0).toBeLessThan(AUDIBLE);
  await tile.getByRole("button", { name: /^Pin/ }).click();
  await expect(tile.getByRole("button", { name: /^Unpin/ })).toBeVisible();
  await page.mouse.move(640, 4);
  await expect(page.getByTestId("call-tile").first()).toHaveAttribute("data-call", callId);
  await tile.getByRole("button", { name: /^Open the call/ }).click();
  await expect(page.getByTestId("panel")).toBeVisible();
  await page.reload();
  await expect(page.getByTestId("call-tile").first()).toBeVisible();
  await look(page, "Focus: one call large");
  await expect(page.getByTestId("panel")).toBeVisible();
  await expect(page.locator(ROW).first()).toBeVisible();
});

for (const theme of ["dark", "light"] as const) {
  test(`tiles are accessible and look right in the ${theme} theme`, async ({ page }) => {
    await page.emulateMedia({ colorScheme: theme });
    await logIn(page);
    const { id: callId } = await freshCall(page);
    await look(page, "Tiles");
    const tile = page.locator(`[data-testid="call-tile"][data-call="${callId}"]`);
    await tile.getByRole("button", { name: /^Listen to/ }).click();
    await expectAudible(page, `${callId}/agent`);
    await expectAccessible(page);
    await keepScreenshot(page, "tiles", theme);
  });
}

for (const theme of ["dark", "light"] as const) {
  test(`the live page is accessible and looks right in the ${theme} theme`, async ({ page }) => {
    await page.emulateMedia({ colorScheme: theme });
    await logIn(page);
    const { id: callId, row: mine } = await freshCall(page);
    await mine.getByRole("button", { name: /^Listen to/ }).click();
    await expect(page.getByTestId("dock").getByRole("slider").first()).toBeVisible();
    await expectAudible(page, `${callId}/agent`);
    await expectAccessible(page);
    await keepScreenshot(page, "live", theme);
    await mine.getByTestId("timer").click();
    await expect(page.getByTestId("panel").getByText("Facts")).toBeVisible();
    await expectAccessible(page);
    await keepScreenshot(page, "call", theme);
  });
}
