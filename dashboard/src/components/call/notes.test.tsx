import { cleanup, screen } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { afterEach, expect, test, vi } from "vitest";
import { callOf } from "@/testing/calls";
import { meOf } from "@/testing/me";
import { show } from "@/testing/render";
import type { Annotation } from "@/wire/Annotation";
import { Notes } from "./notes";

afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
});

const call = callOf({ id: "c", status: "ended", agentId: "ava" });
const PATH = "/api/calls/c/annotations";
const annotationOf = (over: Partial<Annotation>): Annotation => ({
  id: "a",
  callId: "c",
  kind: "note",
  text: "Text",
  by: { userId: "me", name: "Sam" },
  createdAt: "2026-10-30T12:00:00.000Z",
  ...over,
});

test("what people wrote is text, whatever it looks like", async () => {
  const text = "<img src=x onerror=alert(1)>";
  show(<Notes call={call} me={meOf()} />, {
    [`GET ${PATH}`]: () => Response.json({ items: [annotationOf({ text })] }),
  });
  expect((await screen.findByTestId("annotation")).textContent).toContain(text);
  expect(document.querySelector("img")).toBeNull();
});

test("a note that was written appears, and the field is empty again", async () => {
  const { sent } = show(<Notes call={call} me={meOf()} />, {
    [`GET ${PATH}`]: () => Response.json({ items: [] }),
    [`POST ${PATH}`]: (body) => Response.json(annotationOf(body as Annotation), { status: 201 }),
  });
  const field = await screen.findByRole("textbox");
  await userEvent.type(field, "  Kind caller ");
  await userEvent.click(screen.getByRole("button", { name: "Add note" }));
  expect((await screen.findByTestId("annotation")).textContent).toContain("Kind caller");
  expect(sent).toEqual([["POST", PATH, { kind: "note", text: "Kind caller" }]]);
  expect((field as HTMLTextAreaElement).value).toBe("");
});

test("a note that was refused stays in the field, with the reason below it", async () => {
  show(<Notes call={call} me={meOf()} />, {
    [`GET ${PATH}`]: () => Response.json({ items: [] }),
    [`POST ${PATH}`]: () =>
      Response.json({ code: "too_many_annotations", detail: "2000 are enough" }, { status: 409 }),
  });
  await userEvent.type(await screen.findByRole("textbox"), "One more");
  await userEvent.click(screen.getByRole("button", { name: "Add note" }));
  expect((await screen.findByRole("alert")).textContent).toContain("2000 are enough");
  expect(screen.getByRole<HTMLTextAreaElement>("textbox").value).toBe("One more");
});

test("a live call's bookmark is about the moment it is made in", async () => {
  const live = callOf({ id: "c", startedAt: new Date(Date.now() - 65_000).toISOString() });
  const { sent } = show(<Notes call={live} me={meOf()} />, {
    [`GET ${PATH}`]: () => Response.json({ items: [] }),
    [`POST ${PATH}`]: (body) => Response.json(annotationOf(body as Annotation), { status: 201 }),
  });
  await userEvent.click(await screen.findByRole("button", { name: "Bookmark" }));
  await userEvent.click(screen.getByRole("button", { name: "Add bookmark" }));
  await vi.waitFor(() => expect(sent).toHaveLength(1));
  expect((sent[0]?.[2] as Annotation).atMs).toBeGreaterThanOrEqual(65_000);
});

test("agents write about their own calls, and nobody else who does not supervise", async () => {
  const answers = { [`GET ${PATH}`]: () => Response.json({ items: [] }) };
  const mine = meOf({ role: "agent", username: "ava" });
  show(<Notes call={call} me={mine} />, answers);
  await screen.findByRole("textbox");
  cleanup();
  show(<Notes call={call} me={meOf({ role: "auditor" })} />, answers);
  await screen.findByText("Nobody has written anything about this call.");
  expect(screen.queryByRole("textbox")).toBeNull();
});
