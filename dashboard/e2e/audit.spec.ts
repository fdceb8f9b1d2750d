import { expect, test } from "@playwright/test";
import { ask, expectAccessible, keepBoth, logIn } from "./support";

test("what was done is found by what it was, and opens to its details", async ({ page }) => {
  await logIn(page, "/audit");
  const added = await ask(page, "POST", "/api/users", {
    username: "audited",
    password: "correct horse battery",
    role: "agent",
  });
  const { id } = added.body as { id: string };
  await ask(page, "DELETE", `/api/users/${id}`);
  await page.reload();
  const rows = page.getByTestId("audit-row");
  await expect(rows.first()).toBeVisible();
  await page.getByLabel("Subject").fill(id);
  await page.keyboard.press("Enter");
  await expect(rows).toHaveCount(2);
  await rows.first().getByRole("button").click();
  await expect(page.getByRole("definition").filter({ hasText: id })).toBeVisible();

  await page.getByRole("button", { name: "Only this actor" }).click();
  await page.getByRole("button", { name: "Clear" }).click();
  await page.getByLabel("Action").fill("no.such");
  await page.keyboard.press("Enter");
  await expect(page.getByText("Nothing matches")).toBeVisible();
  await page.getByRole("button", { name: "Clear the filters" }).click();
  await expect(rows.first()).toBeVisible();
});

test("the log is verified, and the verdict is told in words", async ({ page }) => {
  await logIn(page, "/audit");
  await page.getByTestId("audit-row").first().getByRole("button").click();
  await expect(page.getByRole("button", { name: "Only this actor" })).toBeVisible();
  await keepBoth(page, "audit");
  await page.getByRole("button", { name: "Verify the log" }).click();
  const verdict = page.getByTestId("verdict");
  await expect(verdict).toHaveAttribute("data-ok", "true");
  await expect(verdict).toContainText("Nothing was changed");
  await expectAccessible(page);
});
