import { expect, test, type Page } from "@playwright/test";
import { readFile } from "node:fs/promises";
import { keepBoth, logIn } from "./support";

const chart = (page: Page, name: string) => page.getByTestId(`chart-${name}`);

/** Waits until calls are counted: figures are allowed to be half a minute old. */
async function open(page: Page): Promise<void> {
  await logIn(page, "/analytics");
  const figure = page.getByTestId("figure-Calls");
  await expect(async () => {
    await page.getByRole("button", { name: "Look again" }).click();
    await expect(figure).toHaveText(/^[1-9]/, { timeout: 2_000 });
  }).toPass({ timeout: 60_000 });
}

test("calls are counted, as charts, as tables and as files", async ({ page }) => {
  await open(page);
  await page.getByRole("button", { name: "Today" }).click();
  await expect(page.getByTestId("figure-Calls")).toHaveText(/^[1-9]/);
  await expect(chart(page, "calls").locator("svg.recharts-surface")).toBeVisible();
  await expect(chart(page, "outcomes")).toBeVisible();
  await keepBoth(page, "analytics");
  await page.getByRole("button", { name: "Calls as a table" }).click();
  const table = page.getByRole("table", { name: "Calls", exact: true });
  await expect(table.getByRole("row").nth(1)).toBeVisible();

  const downloading = page.waitForEvent("download");
  await page.getByRole("button", { name: "Download Calls as CSV" }).click();
  const file = await readFile(await (await downloading).path(), "utf8");
  const lines = file.trim().split("\r\n");
  expect(lines[0]).toContain("From,Calls");
  expect(lines.length).toBe(await table.getByRole("row").count());

  const exporting = page.waitForEvent("download");
  await page.getByRole("link", { name: "Export the calls" }).click();
  expect(await readFile(await (await exporting).path(), "utf8")).toContain("startedAt");
});

test("a range that makes no sense says why", async ({ page }) => {
  await logIn(page, "/analytics");
  await page.getByRole("button", { name: "Custom" }).click();
  await page.getByLabel("From").fill("2026-02-02");
  await page.getByLabel("To", { exact: true }).fill("2026-02-01");
  await expect(page.getByRole("alert")).toHaveText("The last day is before the first.");
});
