import { expect, test } from "@playwright/test";
import { expectAccessible, keepScreenshot, logIn, ROW } from "./support";

test("the palette reaches pages, calls and acts, and letters reach pages", async ({ page }) => {
  await logIn(page);
  await expect(page.locator(ROW).first()).toBeVisible();
  await page.keyboard.press("Control+k");
  const palette = page.getByRole("dialog", { name: "Go to or do" });
  await expect(palette).toBeVisible();
  await page.keyboard.type("history");
  await page.keyboard.press("Enter");
  await expect(page.getByRole("heading", { level: 1 })).toHaveText("History");
  await expect(palette).toBeHidden();

  // on a busy machine the letters may come too far apart
  await expect(async () => {
    await page.keyboard.press("g");
    await page.keyboard.press("l");
    const heading = page.getByRole("heading", { level: 1 });
    await expect(heading).toHaveText("Live", { timeout: 2000 });
  }).toPass();

  await page.keyboard.press("Control+k");
  await palette
    .getByRole("option")
    .filter({ has: page.locator("svg.lucide-phone") })
    .first()
    .click();
  await expect(page.getByTestId("panel")).toBeVisible();

  await page.keyboard.press("Control+k");
  await page.keyboard.type("show the keys");
  await page.keyboard.press("Enter");
  await expect(page.getByRole("dialog", { name: "Keys" })).toBeVisible();
});

test("the counter lists the live calls and leads to them", async ({ page }) => {
  await logIn(page, "/history");
  await page.getByTestId("active-count").click();
  await page.getByRole("dialog", { name: "Active calls" }).getByRole("listitem").first().click();
  await expect(page.getByTestId("panel")).toBeVisible();
});

test("everybody may change their own name", async ({ page }) => {
  await logIn(page);
  await page.getByRole("button", { name: /^Profile of/ }).click();
  await page.getByRole("menuitem", { name: /^Your profile/ }).click();
  await page.getByLabel("Name", { exact: true }).fill("Ada Admin");
  await page.getByRole("dialog").getByRole("button", { name: "Save" }).click();
  await expect(page.getByRole("dialog")).toBeHidden();
  await expect(page.getByRole("button", { name: "Profile of Ada Admin" })).toBeVisible();
});

for (const theme of ["dark", "light"] as const) {
  test(`the palette is accessible and looks right in the ${theme} theme`, async ({ page }) => {
    await page.emulateMedia({ colorScheme: theme });
    await logIn(page);
    await expect(page.locator(ROW).first()).toBeVisible();
    await page.keyboard.press("Control+k");
    await expect(page.getByRole("dialog", { name: "Go to or do" })).toBeVisible();
    await expectAccessible(page);
    await keepScreenshot(page, "palette", theme);
  });
}
