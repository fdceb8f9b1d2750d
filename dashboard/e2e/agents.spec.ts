import { expect, test } from "@playwright/test";
import { ask, expectAccessible, keepScreenshot, logIn } from "./support";

const PEOPLE = ["ava", "ben", "chris"] as const;

test("one's own status is shown at once, to others too", async ({ page, context }) => {
  await logIn(page, "/agents");
  const own = page.getByRole("group", { name: "Your status" });
  await own.getByRole("button", { name: "Available" }).click();
  const mine = page.getByTestId("agent").filter({ hasText: "You" });
  await expect(mine).toHaveAttribute("data-status", "Available");

  const other = await context.newPage();
  await other.goto("/agents");
  const there = other.getByTestId("agent").filter({ hasText: "You" });
  await expect(there).toHaveAttribute("data-status", "Available");
  await own.getByRole("button", { name: "Busy" }).click();
  await expect(there).toHaveAttribute("data-status", "Busy"); // without a reload
  await own.getByRole("button", { name: "Offline" }).click();
  await expect(there).toHaveAttribute("data-status", "Offline");
});

for (const theme of ["dark", "light"] as const) {
  test(`the agents' board is accessible and looks right in the ${theme} theme`, async ({
    page,
  }) => {
    await page.emulateMedia({ colorScheme: theme });
    await logIn(page);
    for (const username of PEOPLE) {
      const password = `${username}-and-a-long-password`;
      const fullName = `${username.slice(0, 1).toUpperCase()}${username.slice(1)}`;
      const user = { username, password, role: "agent", fullName };
      expect([201, 409, 422]).toContain((await ask(page, "POST", "/api/users", user)).status);
    }
    await page.goto("/agents");
    await page
      .getByRole("group", { name: "Your status" })
      .getByRole("button", { name: "Available" })
      .click();
    await expect(page.getByTestId("agent").filter({ hasText: "Chris" })).toBeVisible();
    await expectAccessible(page);
    await keepScreenshot(page, "agents", theme);
  });
}
