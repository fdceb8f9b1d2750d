import { cleanup, screen } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { afterEach, expect, test, vi } from "vitest";
import { answering, list, show } from "@/testing/server";
import { Pills } from "./pills";

afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
});

test("messages are put in another order and saved in it", async () => {
  const moved = { items: [{ text: "b", label: "B" }, { text: "a" }] };
  const sent = answering({
    "GET /api/whisper-pills": list({ text: "a" }, { text: "b", label: "B" }),
    "PUT /api/whisper-pills": { ...moved, nextCursor: null },
  });
  show(<Pills />);
  const save = await screen.findByRole("button", { name: "Save" });
  expect(save.hasAttribute("disabled")).toBe(true);
  await userEvent.click(screen.getByRole("button", { name: "Move message 2 up" }));
  expect(screen.getByText("Moved to place 1 of 2")).toBeTruthy();
  await userEvent.click(save);
  await screen.findByText("Saved.");
  expect(sent).toEqual([{ act: "PUT /api/whisper-pills", body: moved }]);
});

test("the first cannot go further up", async () => {
  answering({ "GET /api/whisper-pills": list({ text: "a" }, { text: "b" }) });
  show(<Pills />);
  await userEvent.click(await screen.findByRole("button", { name: "Move message 1 up" }));
  expect(screen.getByLabelText<HTMLInputElement>("Text of message 1").value).toBe("a");
});
