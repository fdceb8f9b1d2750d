import { expect, test } from "@playwright/test";
import { readFile } from "node:fs/promises";
import { expectAccessible, keepScreenshot, logIn } from "./support";
import { endedVapiCall, LINES } from "./vendor";

test("a call's transcript is read, searched, copied and exported", async ({ page, context }) => {
  await context.grantPermissions(["clipboard-read", "clipboard-write"]);
  await logIn(page);
  const call = await endedVapiCall(page);
  await page.goto(`/history/${call.id}`);
  const transcript = page.getByRole("region", { name: "Transcript", exact: true });
  await expect(transcript.getByTestId("bubble")).toHaveCount(LINES.length);
  await expect(transcript.getByText("<b>Thank you</b>")).toBeVisible(); // as text

  await transcript.getByRole("searchbox").fill("refund");
  await expect(transcript.getByTestId("hits")).toHaveText("1 of 3");
  await page.keyboard.press("Enter");
  await expect(transcript.getByTestId("hits")).toHaveText("2 of 3");
  await expect(transcript.locator("mark")).toHaveCount(3);

  await transcript.getByRole("button", { name: "Times" }).click();
  await expect(transcript.getByText("0:04")).toBeHidden();

  await transcript.getByRole("button", { name: "Copy the transcript" }).click();
  const copied = await page.evaluate(() => navigator.clipboard.readText());
  expect(copied.split("\n")).toHaveLength(LINES.length);
  expect(copied).toContain("[0:04] Carla Customer: My parcel has not arrived.");

  const [file] = await Promise.all([
    page.waitForEvent("download"),
    (async () => {
      await transcript.getByRole("button", { name: "Export the transcript" }).click();
      await page.getByRole("menuitem", { name: /^vtt/i }).click();
    })(),
  ]);
  expect(file.suggestedFilename()).toBe(`transcript-${call.id}.vtt`);
  expect(await readFile(await file.path(), "utf8")).toMatch(/^WEBVTT/);
});

test("a call is noted about, judged and tagged, and all of it is there after a reload", async ({
  page,
}) => {
  await logIn(page);
  const call = await endedVapiCall(page);
  await page.goto(`/history/${call.id}`);
  const shown = page.getByTestId("call-page");
  await shown.getByRole("textbox", { name: /^Note/ }).fill("Why do parcels come back?");
  await shown.getByRole("button", { name: "Add note" }).click();
  await expect(shown.getByTestId("annotation")).toContainText("Why do parcels come back?");

  await shown.getByRole("radio", { name: "4 of 5: Good" }).click();
  await shown.getByLabel("Why", { exact: true }).fill("Quick and kind.");
  await shown.getByRole("button", { name: "Give feedback" }).click();

  await shown.getByRole("button", { name: "Add tag" }).click();
  await page.keyboard.type("Parcel");
  await page.keyboard.press("Enter");
  await page.keyboard.press("Escape");
  await expect(shown.getByRole("button", { name: "Remove the tag parcel" })).toBeVisible();

  await page.reload();
  await expect(shown.getByTestId("annotation")).toContainText("Why do parcels come back?");
  await expect(shown.getByRole("radio", { name: "4 of 5: Good" })).toBeChecked();
  await expect(shown.getByRole("button", { name: "Remove the tag parcel" })).toBeVisible();
  await expect(shown.getByText("wrote a note")).toBeVisible();
});

for (const theme of ["dark", "light"] as const) {
  test(`the call page is accessible and looks right in the ${theme} theme`, async ({ page }) => {
    await page.emulateMedia({ colorScheme: theme });
    await logIn(page);
    const call = await endedVapiCall(page);
    await page.goto(`/history/${call.id}`);
    const shown = page.getByTestId("call-page");
    await shown.getByRole("textbox", { name: /^Note/ }).fill("The warehouse should look into it.");
    await shown.getByRole("button", { name: "Add note" }).click();
    await expect(shown.getByTestId("annotation")).toBeVisible();
    await expect(shown.getByTestId("bubble")).toHaveCount(LINES.length);
    await expectAccessible(page);
    await keepScreenshot(page, "call-page", theme);
  });
}
