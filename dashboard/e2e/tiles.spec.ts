import { expect, test, type Page } from "@playwright/test";
import type { Preferences } from "../src/wire/Preferences";
import { ask, AUDIBLE, expectAudible, logIn, mix, secondsOf } from "./support";

// calls begin when they do, and end too
test.describe.configure({ timeout: 240_000 });

const TILE = '[data-testid="call-tile"]';
const LIVE_TILE = `${TILE}:has(button[aria-label^="Listen to"]:not([aria-disabled]))`;
const QUIET = 30;

// the next test finds the list again, and nothing pinned
test.afterEach(async ({ page }) => {
  const { status, body } = await ask(page, "GET", "/api/me/preferences");
  if (status !== 200) return;
  const wanted = { ...(body as Preferences), layout: "list", pinnedTiles: [] };
  await ask(page, "PUT", "/api/me/preferences", wanted);
});

/** Six calls side by side; gives the two that have begun last. */
async function sixTiles(page: Page): Promise<[string, string]> {
  const layout = page.getByRole("group", { name: "Layout" });
  await layout.getByRole("button", { name: "Tiles" }).click();
  await expect
    .poll(() => page.locator(LIVE_TILE).count(), { timeout: 120_000 })
    .toBeGreaterThanOrEqual(6);
  const found = await page.locator(LIVE_TILE).evaluateAll((tiles) =>
    tiles.map((tile) => ({
      id: tile.getAttribute("data-call") ?? "",
      timer: tile.querySelector('[data-testid="timer"]')?.textContent ?? "",
    })),
  );
  found.sort((a, b) => secondsOf(a.timer) - secondsOf(b.timer));
  const [loud, quiet] = found.map(({ id }) => id);
  if (loud === undefined || quiet === undefined) throw new Error("there are no calls");
  return [loud, quiet];
}

/** Whether somebody speaks in a call, and how much of it is heard. */
async function share(page: Page, callId: string): Promise<number | undefined> {
  const sides = Object.entries(await mix(page)).filter(([track]) => track.startsWith(callId));
  const loudest = sides.map(([, side]) => side).sort((a, b) => b.source - a.source)[0];
  return loudest === undefined || loudest.source < AUDIBLE
    ? undefined
    : loudest.heard / loudest.source;
}

/** Waits until somebody speaks in a call, and that is heard at this part of its loudness. */
async function expectShare(page: Page, callId: string, wanted: number): Promise<void> {
  await expect
    .poll(async () => Math.abs(((await share(page, callId)) ?? 9) - wanted), {
      message: `${callId} at ${wanted}`,
      timeout: 45_000,
    })
    .toBeLessThan(0.08);
}

test("of six calls side by side two are heard, each as loud as it was set, or one alone", async ({
  page,
}) => {
  const rooms: string[] = [];
  page.on("websocket", (socket) => {
    const { pathname } = new URL(socket.url());
    if (pathname.startsWith("/rtc")) rooms.push(pathname);
  });
  await logIn(page);
  const [loud, quiet] = await sixTiles(page);
  const tile = (id: string) => page.locator(`${TILE}[data-call="${id}"]`);
  for (const id of [loud, quiet]) {
    await tile(id)
      .getByRole("button", { name: /^Listen to/ })
      .click();
    await expectAudible(page, `${id}/agent`);
  }
  expect(rooms).toHaveLength(1); // any number of tiles on one connection

  for (const party of ["customer", "agent"]) {
    const volume = tile(quiet).getByRole("slider", { name: `Volume of ${party}` });
    await volume.focus();
    await page.keyboard.press("Home");
    for (let at = 0; at < QUIET; at += 5) await page.keyboard.press("ArrowRight");
    await expect(volume).toHaveAttribute("aria-valuenow", String(QUIET));
  }
  await expectShare(page, loud, 1);
  await expectShare(page, quiet, QUIET / 100);

  const only = tile(quiet).getByRole("button", { name: "Only this call" });
  await only.click();
  await expect(only).toHaveAttribute("aria-pressed", "true");
  await expectShare(page, loud, 0);
  await expectShare(page, quiet, QUIET / 100);
  await only.click();
  await expectShare(page, loud, 1);

  // the same with a key: the tile's number
  const ids = await page.locator(TILE).evaluateAll((tiles) => tiles.map((t) => t.dataset.call));
  await page.keyboard.press(String(ids.indexOf(loud) + 1));
  await expect(tile(loud)).toHaveAttribute("aria-current", "true");
  await expectShare(page, quiet, 0);
  await expectShare(page, loud, 1);
});

test("a tile that was pinned stands first, also after a reload", async ({ page }) => {
  await logIn(page);
  const [, pinned] = await sixTiles(page);
  const tile = page.locator(`${TILE}[data-call="${pinned}"]`);
  await tile.getByRole("button", { name: /^Pin/ }).click();
  await expect(tile.getByRole("button", { name: /^Unpin/ })).toBeVisible();
  await page.reload();
  await expect(page.locator(TILE).first()).toHaveAttribute("data-call", pinned);
  await expect(tile.getByRole("button", { name: /^Unpin/ })).toBeVisible();
});

test("tiles are chosen with arrows, and the chosen one has the keys of its acts", async ({
  page,
}) => {
  await logIn(page);
  await sixTiles(page);
  const chosen = page.locator(`${TILE}[aria-current="true"]`);
  const capable = page.locator(TILE, {
    has: page.locator('button:has-text("Take over"):not([aria-disabled])'),
  });
  await expect(capable.first()).toBeVisible();
  await expect(async () => {
    await page.keyboard.press("ArrowRight");
    const able = chosen.locator('button:has-text("Take over"):not([aria-disabled])');
    await expect(able).toBeVisible({ timeout: 500 });
  }).toPass();
  await page.keyboard.press("t");
  const question = page.getByRole("dialog", { name: "Take the call over?" });
  await expect(question).toBeVisible();
  await page.keyboard.press("Escape");
  await expect(question).toBeHidden();
});
