import { expect, test } from "@playwright/test";
import { AUDIBLE, expectAudible, freshCall, heard, logIn, ROW } from "../support";

// waiting for calls that has just begun may take most of it
test.describe.configure({ timeout: 150_000 });

test("without LiveKit a vendor's call is heard, party by party, over one WebSocket", async ({
  page,
}) => {
  const sockets: string[] = [];
  page.on("websocket", (socket) => sockets.push(new URL(socket.url()).pathname));
  await logIn(page);
  await expect(page.locator(ROW).first()).toContainText(/Vapi|Twilio/);
  const { id: callId, row: mine } = await freshCall(page);
  await mine.getByRole("button", { name: /^Listen to/ }).click();
  const dock = page.getByTestId("dock");
  await expect(dock).toContainText("Listening to 1 call");
  await expectAudible(page, `${callId}/customer`);
  await expectAudible(page, `${callId}/agent`);
  expect(sockets.filter((path) => path.startsWith("/listen/"))).toHaveLength(1);
  expect(sockets.filter((path) => path.startsWith("/rtc"))).toHaveLength(0);

  await dock.getByRole("button", { name: "Mute customer" }).click();
  await expect.poll(async () => (await heard(page))[`${callId}/customer`]).toBeLessThan(AUDIBLE);
  await dock.getByRole("button", { name: "Mute customer" }).click();
  await expectAudible(page, `${callId}/customer`);

  await mine.getByRole("button", { name: /^Stop listening/ }).click();
  await expect(dock).toBeHidden();
  await expect.poll(() => heard(page)).toEqual({});
});

test("calls at each vendor are in one list, each with its upstream's badge", async ({ page }) => {
  await logIn(page);
  const rows = page.getByTestId("call-row");
  for (const upstream of ["Vapi", "Retell", "Twilio"]) {
    await expect(rows.filter({ hasText: upstream }).first()).toBeVisible({ timeout: 60_000 });
  }
});
