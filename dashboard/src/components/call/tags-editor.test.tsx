import { cleanup, screen } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { afterEach, expect, test, vi } from "vitest";
import { useCall } from "@/api/calls";
import { callOf } from "@/testing/calls";
import { meOf } from "@/testing/me";
import { show, type Answers } from "@/testing/render";
import { TagsEditor } from "./tags-editor";

afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
});

const call = callOf({ id: "c", status: "ended", tags: ["vip"] });

function Editor() {
  const { data } = useCall("c");
  return data === undefined ? null : <TagsEditor call={data} me={meOf()} />;
}

const started = (answers: Answers) =>
  show(<Editor />, { "GET /api/calls/c": () => Response.json(call), ...answers });

const tags = () => screen.queryAllByRole("button", { name: /^Remove/ }).length;

test("a tag is added as the server keeps it, and the same one is not added twice", async () => {
  const { sent } = started({
    "PUT /api/calls/c/tags": (body) => Response.json({ ...call, ...(body as object) }),
  });
  await userEvent.click(await screen.findByRole("button", { name: "Add tag" }));
  await userEvent.keyboard("VIP{Enter}  Big   Spender{Enter}");
  await vi.waitFor(() => expect(tags()).toBe(2));
  expect(sent).toEqual([["PUT", "/api/calls/c/tags", { tags: ["vip", "big spender"] }]]);
});

test("a change that is refused is undone where it was made", async () => {
  started({
    "PUT /api/calls/c/tags": () =>
      Response.json({ code: "forbidden", detail: "not yours" }, { status: 403 }),
  });
  await userEvent.click(await screen.findByRole("button", { name: "Remove the tag vip" }));
  expect((await screen.findByRole("alert")).textContent).toContain("Not yours");
  expect(tags()).toBe(1);
});
