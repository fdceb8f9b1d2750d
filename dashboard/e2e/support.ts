import { expect, type Locator, type Page } from "@playwright/test";
import axe from "axe-core";
import type {} from "../src/audio/probes";

/** A track this loud can be heard. */
export const AUDIBLE = 0.002;

const screenshots = new URL("../../docs/screenshots/", import.meta.url).pathname;

function setting(name: string, fallback?: string): string {
  const value = process.env[name] ?? fallback;
  if (value === undefined) throw new Error(`set ${name} to run the browser tests`);
  return value;
}

/** Somebody who can log in. */
export interface Account {
  username: string;
  password: string;
}

const admin = (): Account => ({
  username: setting("SIDETONE_USER", "admin"),
  password: setting("SIDETONE_PASSWORD"),
});

/** Opens a page and logs in, with the audio probes on. */
export async function logIn(page: Page, path = "/", account = admin()): Promise<void> {
  await page.addInitScript(() => localStorage.setItem("sidetoneDebug", "1"));
  await page.goto(path);
  await page.getByLabel("User name").fill(account.username);
  await page.getByLabel("Password").fill(account.password);
  await page.getByRole("button", { name: "Log in" }).click();
  await expect(page.getByTestId("connection")).toHaveText("Live");
}

/** Per track what reaches the speakers: the loudest of a second, since speech has pauses. */
export async function heard(page: Page): Promise<Record<string, number>> {
  return page.evaluate(async () => {
    const loudest: Record<string, number> = {};
    for (let frame = 0; frame < 60; frame += 1) {
      await new Promise(requestAnimationFrame);
      for (const { track, rms } of window.__sidetone?.audio() ?? []) {
        loudest[track] = Math.max(loudest[track] ?? 0, rms);
      }
    }
    return loudest;
  });
}

/** What a track is before its gain, and what of it reaches the speakers. */
export interface Mixed {
  source: number;
  heard: number;
}

/** Per track the moment of a second in which most is said, since speech has pauses. */
export async function mix(page: Page): Promise<Record<string, Mixed>> {
  return page.evaluate(async () => {
    const loudest: Record<string, Mixed> = {};
    for (let frame = 0; frame < 60; frame += 1) {
      await new Promise(requestAnimationFrame);
      for (const { track, rms, source } of window.__sidetone?.audio() ?? []) {
        if (source >= (loudest[track]?.source ?? 0)) loudest[track] = { source, heard: rms };
      }
    }
    return loudest;
  });
}

/** Waits until a track is audible; speakers take turns, so it may take a while. */
export async function expectAudible(page: Page, track: string): Promise<void> {
  await expect
    .poll(async () => (await heard(page))[track] ?? 0, { message: track, timeout: 30_000 })
    .toBeGreaterThan(AUDIBLE);
}

/** Keeps what a person would see for the documents, in one theme. */
export async function keepScreenshot(page: Page, name: string, theme: "dark" | "light") {
  await page.emulateMedia({ colorScheme: theme });
  await expect(page.locator("html")).toHaveAttribute("data-theme", theme);
  await page.mouse.move(640, 4); // off the list: nothing is hovered, nothing is held
  await page.evaluate(() => document.fonts.ready);
  await page.screenshot({ path: `${screenshots}${name}-${theme}.png`, animations: "disabled" });
}

/** The page in both themes: accessible in each, and kept as it looks. */
export async function keepBoth(page: Page, name: string): Promise<void> {
  for (const theme of ["dark", "light"] as const) {
    await page.emulateMedia({ colorScheme: theme });
    await expect(page.locator("html")).toHaveAttribute("data-theme", theme);
    await expectAccessible(page);
    await keepScreenshot(page, name, theme);
  }
}

/** No serious or critical accessibility violation on what is shown. */
export async function expectAccessible(page: Page): Promise<void> {
  // a row that is half faded out has no contrast for a moment: without motion there is none
  await page.emulateMedia({ reducedMotion: "reduce" });
  // evaluated through the debugger and not as a script element, which the page's policy forbids
  await page.evaluate(axe.source);
  const found = await page.evaluate(async () => {
    const results = await (globalThis as unknown as { axe: typeof axe }).axe.run(document, {
      resultTypes: ["violations"],
    });
    return results.violations
      .filter(({ impact }) => impact === "serious" || impact === "critical")
      .map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).join(" ")}`);
  });
  expect(found).toEqual([]);
}

/** A call that can be listened to. */
export const ROW =
  '[data-testid="call-row"]:has(button[aria-label^="Listen to"]:not([aria-disabled]))';

/** Calls come and go; one this young lasts long enough for a test. */
const FRESH_SECONDS = 12;

/** Waits for a call that has just begun, so that it does not end in the middle of a test. */
export async function freshCall(page: Page): Promise<{ id: string; row: Locator }> {
  const first = page.locator(ROW).first(); // the newest one is on top
  let id = "";
  await expect(async () => {
    id = (await first.getAttribute("data-call", { timeout: 1_000 })) ?? "";
    const row = page.locator(`[data-call="${id}"]`);
    const age = await row.getByTestId("timer").innerText({ timeout: 1_000 });
    expect(secondsOf(age)).toBeLessThan(FRESH_SECONDS);
  }).toPass({ timeout: 90_000 });
  return { id, row: page.locator(`[data-call="${id}"]`) };
}

/** Seconds that a timer such as `1:05` shows. */
export function secondsOf(timer: string): number {
  return timer.split(":").reduce((sum, part) => sum * 60 + Number(part), 0);
}

/** Calls of a demonstration take a while to end: the first recording may have to be waited for. */
export const FIRST_RECORDING_MS = 150_000;

/** Opens the history and in it the newest call that has a recording; gives the recording's id. */
export async function openRecording(page: Page): Promise<string> {
  await logIn(page, "/history");
  const recorded = page.locator('[data-testid="history-row"][data-recorded="true"]').first();
  await expect(async () => {
    await page.reload();
    await expect(recorded).toBeVisible({ timeout: 3_000 });
  }).toPass({ timeout: FIRST_RECORDING_MS });
  await recorded.click();
  const player = page.getByTestId("player").first();
  await expect(player).toBeVisible();
  return (await player.getAttribute("data-recording")) ?? "";
}

/** Sends a request as the page does, with its session, and gives status and body. */
export async function ask(
  page: Page,
  method: string,
  path: string,
  data?: unknown,
): Promise<{ status: number; body: unknown }> {
  const cookies = await page.context().cookies();
  const proof = cookies.find(({ name }) => name === "sidetone_csrf")?.value ?? "";
  const response = await page.request.fetch(path, {
    method,
    headers: { "x-csrf-token": decodeURIComponent(proof) },
    ...(data === undefined ? {} : { data }),
  });
  const text = await response.text();
  return { status: response.status(), body: text === "" ? undefined : JSON.parse(text) };
}
