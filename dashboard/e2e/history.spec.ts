import { expect, test, type Page } from "@playwright/test";
import { readFile } from "node:fs/promises";
import {
  AUDIBLE,
  expectAccessible,
  expectAudible,
  FIRST_RECORDING_MS,
  heard,
  keepScreenshot,
  openRecording,
} from "./support";

/** The recording is loaded and decoded before its outline is drawn. */
const OUTLINE_MS = 45_000;

/** Whether a lane of the waveform shows more than a flat line in its colour. */
async function inked(page: Page): Promise<boolean> {
  return page
    .getByTestId("player")
    .locator("canvas")
    .evaluate((element) => {
      const canvas = element as HTMLCanvasElement;
      const context = canvas.getContext("2d");
      if (context === null) return false;
      const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
      let pixels = 0;
      for (let at = 3; at < data.length; at += 4) if ((data[at] ?? 0) > 0) pixels += 1;
      return pixels > canvas.width * 6;
    });
}

test.describe.configure({ timeout: FIRST_RECORDING_MS + 60_000 });

test("a recording plays both parties, moves on, seeks, mutes and plays one side alone", async ({
  page,
}) => {
  await openRecording(page);
  const player = page.getByTestId("player");
  await expect.poll(() => inked(page), { timeout: OUTLINE_MS }).toBe(true);

  await player.getByRole("button", { name: "Play" }).click();
  const position = player.getByRole("slider", { name: "Position" });
  const seconds = async () => Number(await position.getAttribute("aria-valuenow"));
  await expect.poll(seconds).toBeGreaterThanOrEqual(2);
  await expectAudible(page, "recording/agent");
  await expectAudible(page, "recording/customer");

  const muteCustomer = player.getByRole("button", { name: /^Mute .*customer$/i });
  await muteCustomer.click();
  await expect.poll(async () => (await heard(page))["recording/customer"]).toBeLessThan(AUDIBLE);
  await muteCustomer.click();
  await expectAudible(page, "recording/customer");

  const fromTheStart = async () => {
    await position.click({ position: { x: 1, y: 20 } });
    const play = player.getByRole("button", { name: "Play" });
    if (await play.isVisible()) await play.click(); // it had come to its end
  };
  const only = player.getByRole("button", { name: /^Only/ }).first(); // the customer is left
  await only.click();
  await expect.poll(async () => (await heard(page))["recording/agent"]).toBeLessThan(AUDIBLE);
  await fromTheStart();
  await expectAudible(page, "recording/customer");
  await only.click();
  await fromTheStart();
  await expectAudible(page, "recording/agent");

  await player.getByRole("button", { name: "Pause" }).click();
  await position.focus();
  await position.click({ position: { x: 5, y: 20 } });
  await expect.poll(seconds).toBeLessThan(3);
  await page.keyboard.press("ArrowRight");
  await expect.poll(seconds).toBeGreaterThanOrEqual(5);
  await player.getByRole("button", { name: "Five seconds on" }).click();
  await expect.poll(seconds).toBeGreaterThanOrEqual(10);
  await player.getByRole("button", { name: "Five seconds back" }).click();
  await expect.poll(seconds).toBeLessThan(10);

  await player.getByRole("button", { name: "Speed: 1" }).click();
  await page.getByRole("menuitemradio", { name: "2×" }).click();
  await expect(player.getByRole("button", { name: "Speed: 2" })).toBeVisible();
});

test("filters stand in the address, can be saved under a name and exported", async ({ page }) => {
  await openRecording(page);
  await page.getByRole("button", { name: "All calls" }).click();
  await page.getByRole("button", { name: "Direction: All directions" }).click();
  await page.getByRole("menuitemradio", { name: "Inbound" }).click();
  await expect(page).toHaveURL(/direction=inbound/);
  await page.reload();
  await expect(page.getByRole("button", { name: "Direction: Inbound" })).toBeVisible();
  await page.getByRole("searchbox").fill("certainly no call has this in it");
  await expect(page.getByRole("heading", { name: "No call matches" })).toBeVisible();
  await page.getByRole("searchbox").fill("");
  await expect(page.getByTestId("history-row").first()).toBeVisible();

  const name = `Inbound ${Date.now()}`;
  await page.getByRole("button", { name: "Views" }).click();
  await page.getByLabel("Name of the view").fill(name);
  await page.getByRole("button", { name: "Save" }).click();
  await page.keyboard.press("Escape");
  await page.getByRole("button", { name: "Clear", exact: true }).click();
  await expect(page).not.toHaveURL(/direction/);
  await page.reload();
  await page.getByRole("button", { name: "Views" }).click();
  await page.getByRole("button", { name, exact: true }).click();
  await expect(page).toHaveURL(/direction=inbound/);

  await page.getByRole("button", { name: "Export" }).click();
  const [file] = await Promise.all([
    page.waitForEvent("download"),
    page.getByRole("menuitem", { name: /^CSV/ }).click(),
  ]);
  const csv = await readFile(await file.path(), "utf8");
  const [header = "", ...lines] = csv.trim().split("\n");
  const direction = header.split(",").indexOf("direction");
  expect(lines.length).toBeGreaterThan(0);
  expect(lines.every((line) => line.split(",")[direction] === "inbound")).toBe(true);
});

for (const theme of ["dark", "light"] as const) {
  test(`the history is accessible and looks right in the ${theme} theme`, async ({ page }) => {
    await page.emulateMedia({ colorScheme: theme });
    await openRecording(page);
    await expect.poll(() => inked(page), { timeout: OUTLINE_MS }).toBe(true);
    await page.getByTestId("player").getByRole("button", { name: "Play" }).click();
    await expectAudible(page, "recording/agent");
    await page.getByTestId("player").getByRole("button", { name: "Pause" }).click();
    await expectAccessible(page);
    await keepScreenshot(page, "recording", theme);
    await page.getByRole("button", { name: "All calls" }).click();
    await expect(page.getByTestId("history-row").first()).toBeVisible();
    await expectAccessible(page);
    await keepScreenshot(page, "history", theme);
  });
}
