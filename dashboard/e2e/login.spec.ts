import { expect, test } from "@playwright/test";
import { expectAccessible, logIn } from "./support";

test("a wrong password is refused where it was entered", async ({ page }) => {
  await page.goto("/");
  await page.getByLabel("User name").fill("admin");
  await page.getByLabel("Password").fill("certainly wrong");
  await page.getByRole("button", { name: "Log in" }).click();
  await expect(page.getByRole("alert")).toContainText("wrong");
  await expectAccessible(page);
});

test("logging out shows the login page, also after a reload", async ({ page }) => {
  await logIn(page);
  await page.getByRole("button", { name: /^Profile of/ }).click();
  await page.getByRole("menuitem", { name: "Log out" }).click();
  await expect(page.getByLabel("Password")).toBeVisible();
  await page.reload();
  await expect(page.getByLabel("Password")).toBeVisible();
});

test("the chosen theme is there before anything is painted, after a reload too", async ({
  page,
}) => {
  await page.emulateMedia({ colorScheme: "light" });
  await logIn(page);
  await page.getByRole("button", { name: /^Theme/ }).click();
  await page.getByRole("menuitemradio", { name: "Dark" }).click();
  await expect(page.locator("html")).toHaveAttribute("data-theme", "dark");
  await page.reload({ waitUntil: "commit" });
  await expect(page.locator("html")).toHaveAttribute("data-theme", "dark");
});

test("nothing is loaded from anywhere else, and no script error occurs", async ({
  page,
  baseURL,
}) => {
  const foreign: string[] = [];
  const errors: string[] = [];
  page.on("request", (request) => {
    if (!request.url().startsWith(baseURL ?? "")) foreign.push(request.url());
  });
  page.on("pageerror", (error) => errors.push(error.message));
  page.on("console", (message) => {
    if (/content security policy/i.test(message.text())) errors.push(message.text());
  });
  await logIn(page);
  await page.getByRole("link", { name: "History" }).click();
  await expect(page.getByRole("heading", { level: 1 })).toHaveText("History");
  expect(foreign).toEqual([]);
  expect(errors).toEqual([]);
});
