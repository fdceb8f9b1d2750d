import { expect, test, type Page } from "@playwright/test";
import { readFile } from "node:fs/promises";
import type { Recording } from "../src/wire/Recording";
import {
  ask,
  expectAccessible,
  FIRST_RECORDING_MS,
  freshCall,
  keepScreenshot,
  logIn,
  openRecording,
} from "./support";

/** A simulated call lasts two minutes and more; its end and the store's answer are waited for. */
const CALL_ENDS_MS = 240_000;

test.describe.configure({ timeout: FIRST_RECORDING_MS + 60_000 });

const control = (page: Page) => page.getByTestId("recording-control");
const light = (page: Page) => page.getByTestId("panel").getByTestId("recording-light");

/** Opens the panel of a call that has just begun and is being recorded. */
async function openRecorded(page: Page): Promise<string> {
  await logIn(page);
  const { id, row } = await freshCall(page);
  await row.getByTestId("timer").click();
  await expect(light(page)).toHaveAttribute("data-lamp", "recording");
  return id;
}

async function recordingsOf(page: Page, callId: string): Promise<Recording[]> {
  const { body } = await ask(page, "GET", `/api/calls/${callId}/recordings`);
  return (body as { items: Recording[] }).items;
}

test("a live call is paused and resumed, and its recording keeps nothing in between", async ({
  page,
}) => {
  test.setTimeout(CALL_ENDS_MS + 150_000);
  const callId = await openRecorded(page);
  await control(page).getByLabel("Why it is paused").fill("card number");
  await control(page).getByRole("button", { name: "Pause", exact: true }).click();
  await expect(light(page)).toHaveAttribute("data-lamp", "paused");
  await expect(control(page)).toContainText("by you");
  const row = page.locator(`[data-call="${callId}"]`);
  await expect(row.getByTestId("recording-light")).toHaveAttribute("data-lamp", "paused");
  await page.waitForTimeout(3_000); // this long is to be missing
  await control(page).getByRole("button", { name: "Resume" }).click();
  await expect(light(page)).toHaveAttribute("data-lamp", "recording");

  let stored: Recording | undefined;
  await expect
    .poll(
      async () => {
        stored = (await recordingsOf(page, callId))[0];
        return stored?.state;
      },
      { timeout: CALL_ENDS_MS, intervals: [2_000] },
    )
    .toBe("stored");
  const { body: me } = await ask(page, "GET", "/api/me");
  const pause = stored?.pauses[0];
  expect(stored?.pauses.length).toBe(1);
  expect(pause?.by).toBe((me as { id: string }).id);
  const missing = (pause?.toMs ?? 0) - (pause?.fromMs ?? 0);
  expect(missing).toBeGreaterThan(2_500);
  expect(missing).toBeLessThan(15_000);

  await page.goto(`/history/${callId}`);
  const player = page.getByTestId("player");
  await player.getByRole("button", { name: /Paused by you/ }).click();
  const position = player.getByRole("slider", { name: "Position" });
  const seconds = async () => Number(await position.getAttribute("aria-valuenow"));
  const before = (pause?.fromMs ?? 0) / 1000 - 2; // with its lead
  await expect.poll(seconds).toBeGreaterThanOrEqual(Math.floor(before) - 1);
  await expect.poll(seconds).toBeLessThanOrEqual(Math.ceil(before) + 1);
});

test("a pause with a time counts down, and the key pauses and resumes", async ({ page }) => {
  await openRecorded(page);
  await control(page)
    .getByRole("button", { name: /^How long/ })
    .click();
  await page.getByRole("menuitemradio", { name: "For 1 minute" }).click();
  await expect(page.getByRole("menu")).toBeHidden();
  await page.getByTestId("panel").getByRole("heading", { level: 2 }).click();
  await page.keyboard.press("r");
  await expect(light(page)).toHaveAttribute("data-lamp", "paused");
  await expect(page.getByTestId("resumes-in")).toHaveText(/^(1:00|0:[345]\d)$/);
  await page.keyboard.press("r");
  await expect(light(page)).toHaveAttribute("data-lamp", "recording");
});

test("a customer who does not agree is not recorded, and what there was is erased", async ({
  page,
}) => {
  const callId = await openRecorded(page);
  await page
    .getByTestId("panel")
    .getByRole("button", { name: /^Consent/ })
    .click();
  await page.getByRole("menuitemradio", { name: /Denied/ }).click();
  await page.getByRole("button", { name: "Stop and erase" }).click();
  await expect(page.getByRole("dialog")).toBeHidden();
  await expect(light(page)).toHaveAttribute("data-lamp", "off");
  await expect
    .poll(async () => (await recordingsOf(page, callId)).every(({ state }) => state === "erased"))
    .toBe(true);
});

/** The parts of a WAV file's header that say how to read it. */
function wav(bytes: Buffer): { channels: number; rate: number; seconds: number } {
  expect(bytes.toString("latin1", 0, 4)).toBe("RIFF");
  expect(bytes.toString("latin1", 8, 12)).toBe("WAVE");
  let at = 12;
  let format: { channels: number; rate: number; frame: number } | undefined;
  while (at + 8 <= bytes.length) {
    const name = bytes.toString("latin1", at, at + 4);
    const length = bytes.readUInt32LE(at + 4);
    if (name === "fmt ") {
      format = {
        channels: bytes.readUInt16LE(at + 10),
        rate: bytes.readUInt32LE(at + 12),
        frame: bytes.readUInt16LE(at + 20),
      };
    }
    if (name === "data") {
      if (format === undefined) break;
      expect(at + 8 + length).toBeLessThanOrEqual(bytes.length);
      const { channels, rate, frame } = format;
      return { channels, rate, seconds: length / frame / rate };
    }
    at += 8 + length + (length % 2);
  }
  throw new Error("no sound in the file");
}

async function downloaded(page: Page, item: RegExp): Promise<{ name: string; bytes: Buffer }> {
  await page.getByRole("button", { name: /^Download/ }).click();
  const arrives = page.waitForEvent("download");
  await page.getByRole("menuitem", { name: item }).click();
  const file = await arrives;
  return { name: file.suggestedFilename(), bytes: await readFile(await file.path()) };
}

test("a recording is downloaded as it is stored, as WAV, mixed, and one side alone", async ({
  page,
}) => {
  const id = await openRecording(page);
  const { body } = await ask(page, "GET", `/api/recordings/${id}`);
  const { durationSeconds, bytes } = body as Recording;

  const ogg = await downloaded(page, /^Both sides, Ogg/);
  expect(ogg.name).toMatch(/\.ogg$/);
  expect(ogg.bytes.toString("latin1", 0, 4)).toBe("OggS");
  expect(ogg.bytes.length).toBe(bytes);

  for (const [item, channels] of [
    [/^Both sides, WAV/, 2],
    [/^Everybody, WAV/, 1],
    [/^Customer .*, WAV/, 1],
  ] as const) {
    const file = await downloaded(page, item);
    expect(file.name).toMatch(/\.wav$/);
    const found = wav(file.bytes);
    expect(found.channels).toBe(channels);
    expect(found.rate).toBe(48_000);
    expect(Math.abs(found.seconds - durationSeconds)).toBeLessThan(0.1);
  }
});

test("what is held cannot be erased, and what is erased is gone for everybody", async ({
  page,
}) => {
  const id = await openRecording(page);
  const card = page.getByTestId("recording").first();
  const more = card.getByRole("button", { name: "More about this recording" });
  await more.click();
  await page.getByRole("menuitem", { name: /^Hold/ }).click();
  await page.getByLabel("Reason, for the audit log").fill("a case");
  await page.getByRole("dialog").getByRole("button", { name: "Hold", exact: true }).click();
  await expect(card.getByText("Held", { exact: true })).toBeVisible();
  const refused = await ask(page, "DELETE", `/api/recordings/${id}`);
  expect(refused).toMatchObject({ status: 409, body: { code: "legal_hold" } });

  await more.click();
  await page.getByRole("menuitem", { name: /^Lift/ }).click();
  await page.getByLabel("Reason, for the audit log").fill("the case is closed");
  await page.getByRole("button", { name: "Lift the hold" }).click();
  await expect(card.getByText("Held", { exact: true })).toBeHidden();

  await more.click();
  await page.getByRole("menuitem", { name: "Erase…" }).click();
  await expect(page.getByRole("dialog")).toContainText("Nobody can undo that");
  await page.getByRole("button", { name: "Erase for good" }).click();
  await expect(page.locator(`[data-testid="player"][data-recording="${id}"]`)).toBeHidden();
  await expect(page.getByTestId("recording").first()).toContainText("was erased");
  expect((await ask(page, "GET", `/api/recordings/${id}/audio`)).status).toBe(410);
});

test("an admin sets how long recordings are kept; what erases is confirmed, secrets stay hidden", async ({
  page,
}) => {
  await logIn(page, "/settings");
  const forever = page.getByRole("switch", { name: "Keep recordings for ever" });
  const save = page.getByRole("button", { name: "Save", exact: true });
  await expect(forever).toBeChecked();
  await forever.click();
  await page.getByLabel("Days to keep").fill("0");
  await save.click();
  await expect(page.getByRole("alert")).toContainText("1 to");

  await page.getByLabel("Days to keep").fill("30");
  await page.getByRole("switch", { name: "Pause by webhook" }).click();
  await page.getByRole("button", { name: "Make one" }).click();
  const secret = page.getByLabel("Secret of the pause webhook");
  await expect(secret).toHaveValue(/^whsec_/);
  const made = await secret.inputValue();
  await save.click();
  await expect(page.getByRole("dialog")).toContainText("30 days ago");
  await page.getByRole("button", { name: "Save and erase" }).click();
  await expect(page.getByText("Saved.")).toBeVisible();
  await expect(secret).toHaveValue("");

  await page.reload();
  await expect(page.getByLabel("Days to keep")).toHaveValue("30");
  await expect(secret).toHaveValue("");
  const { body } = await ask(page, "GET", "/api/retention");
  expect(body).toMatchObject({ days: 30, hasPauseWebhookSecret: true });
  expect(JSON.stringify(body)).not.toContain(made);

  await page.getByRole("switch", { name: "Pause by webhook" }).click();
  await forever.click();
  await save.click();
  await expect(page.getByText("Saved.")).toBeVisible();
});

test("an operator sees how each recorder fares", async ({ page }) => {
  await logIn(page, "/recordings");
  const node = page.getByTestId("node").first();
  await expect(node).toBeVisible();
  await expect(node).toHaveAttribute("data-level", "good");
  await expect(node.getByRole("meter", { name: "Disk of the spool" })).toBeVisible();
  const recording = node.getByRole("definition").first();
  await expect.poll(async () => Number(await recording.innerText())).toBeGreaterThan(0);
});

for (const theme of ["dark", "light"] as const) {
  test(`recordings and settings are accessible and look right in the ${theme} theme`, async ({
    page,
  }) => {
    await page.emulateMedia({ colorScheme: theme });
    await logIn(page, "/recordings");
    await expect(page.getByTestId("node").first()).toBeVisible();
    await expectAccessible(page);
    await keepScreenshot(page, "recordings", theme);
    await page.getByRole("link", { name: "Settings" }).click();
    await page.getByRole("switch", { name: "Pause by webhook" }).click();
    await expect(page.getByLabel("Secret of the pause webhook")).toBeVisible();
    await expectAccessible(page);
    await keepScreenshot(page, "settings", theme);
  });

  test(`a paused call is accessible and looks right in the ${theme} theme`, async ({ page }) => {
    await page.emulateMedia({ colorScheme: theme });
    await openRecorded(page);
    await control(page).getByRole("button", { name: "Pause", exact: true }).click();
    await expect(light(page)).toHaveAttribute("data-lamp", "paused");
    await expectAccessible(page);
    await keepScreenshot(page, "paused", theme);
    await control(page).getByRole("button", { name: "Resume" }).click();
    await expect(light(page)).toHaveAttribute("data-lamp", "recording");
  });
}
