import { expect, test, type Page } from "@playwright/test";
import type { AlertRule } from "../src/wire/AlertRule";
import { ask, expectAccessible, keepScreenshot, logIn } from "./support";

/** A rule is looked at every few seconds. */
const FIRES_MS = 30_000;

/** Takes away what tests before this one have left. */
async function withoutRules(page: Page): Promise<void> {
  const { body } = await ask(page, "GET", "/api/alert-rules?limit=100");
  for (const { id } of (body as { items: AlertRule[] }).items) {
    await ask(page, "DELETE", `/api/alert-rules/${id}`);
  }
}

test("a rule is made with a look at what it would have found, fires, and is taken up", async ({
  page,
}) => {
  await logIn(page, "/alerts/rules");
  await withoutRules(page);
  await page.reload();
  await page.getByRole("button", { name: "New rule" }).first().click();
  const dialog = page.getByRole("dialog");
  await expect(dialog.getByTestId("preview")).toContainText(/Would have fired never yesterday/);
  await dialog.getByLabel("Time looked at").selectOption("today");
  await dialog.getByLabel(/^Calls at once/).fill("0");
  await dialog.getByRole("button", { name: "Make the rule" }).click();
  await expect(dialog.getByRole("alert")).toContainText("A whole number");
  await dialog.getByLabel(/^Calls at once/).fill("1"); // the demo has that many, always
  await expect(dialog.getByTestId("preview")).toContainText(/Would have fired (once|\d+ times)/);
  await dialog.getByLabel("Name", { exact: true }).fill("Busy");
  await dialog.getByRole("button", { name: "Make the rule" }).click();
  await expect(dialog).toBeHidden();
  await expect(page.getByTestId("rule")).toContainText("1 or more calls at once");

  await expect(page.getByTestId("bell")).toHaveAccessibleName("Alerts: 1 firing", {
    timeout: FIRES_MS,
  });
  await page.getByTestId("bell").click();
  const alert = page.getByTestId("alert");
  await expect(alert).toContainText("Busy");
  await alert.getByRole("button", { name: "Acknowledge" }).click();
  await expect(page.getByTestId("bell")).toHaveAccessibleName("Alerts: none");
  await page.keyboard.press("Escape");

  await page.getByRole("tab", { name: /^Open/ }).click();
  await expect(alert).toHaveAttribute("data-state", "acknowledged");
  await alert.getByRole("button", { name: "Snooze" }).click();
  await page.getByRole("menuitem", { name: "An hour" }).click();
  await expect(alert).toHaveAttribute("data-state", "snoozed");

  await page.getByRole("tab", { name: "Rules" }).click();
  await page.getByRole("button", { name: "Remove Busy" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Remove" }).click();
  await expect(page.getByRole("heading", { name: "No rules yet" })).toBeVisible();
});

for (const theme of ["dark", "light"] as const) {
  test(`alerts are accessible and look right in the ${theme} theme`, async ({ page }) => {
    await page.emulateMedia({ colorScheme: theme });
    await logIn(page, "/alerts");
    await withoutRules(page);
    const rule = { forSeconds: 0, clearForSeconds: 0, cooldownSeconds: 0 };
    for (const [name, severity, condition] of [
      ["Many calls at once", "warning", { kind: "concurrent_calls", threshold: 2, ...rule }],
      ["Long call", "critical", { kind: "long_call", threshold: 10, ...rule }],
    ] as const) {
      await ask(page, "POST", "/api/alert-rules", { name, severity, condition });
    }
    await expect(page.getByText("Long call").first()).toBeVisible({ timeout: FIRES_MS });
    await expectAccessible(page);
    await keepScreenshot(page, "alerts", theme);
    await withoutRules(page);
  });
}
