import { cleanup, screen } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { afterEach, expect, test, vi } from "vitest";
import { show } from "@/testing/render";
import type { AlertPreview } from "@/wire/AlertPreview";
import { RuleDialog } from "./rule-dialog";

afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
});

const preview = (over: Partial<AlertPreview>): AlertPreview => ({
  known: true,
  count: 3,
  firings: [{ firedAt: "2026-10-30T12:00:00.000Z" }],
  from: "2026-10-30T00:00:00.000Z",
  to: "2026-10-31T00:00:00.000Z",
  calls: 412,
  ...over,
});

const PREVIEW = "POST /api/alert-rules/preview";
const previewText = () => screen.getByTestId("preview").textContent;

test("a rule says what it would have found, also of what was changed in the form", async () => {
  show(<RuleDialog rule={undefined} onClose={() => undefined} />, {
    [PREVIEW]: (body) => {
      const { condition } = body as { condition: { threshold: number } };
      return Response.json(preview({ count: condition.threshold > 50 ? 0 : 3 }));
    },
  });
  await vi.waitFor(() => expect(previewText()).toContain("Would have fired 3 times yesterday"));
  const threshold = screen.getByLabelText(/^Calls at once/);
  await userEvent.clear(threshold);
  await userEvent.type(threshold, "80");
  await vi.waitFor(() => expect(previewText()).toContain("never"));
});

test("what stored calls do not tell is not counted", async () => {
  show(<RuleDialog rule={undefined} onClose={() => undefined} />, {
    [PREVIEW]: () => Response.json(preview({ known: false, count: 0, firings: [] })),
  });
  await vi.waitFor(() => expect(previewText()).toContain("found while calls go on"));
});

test("a form that is not right says so at the field, and nothing is sent", async () => {
  const { sent } = show(<RuleDialog rule={undefined} onClose={() => undefined} />, {});
  await userEvent.clear(screen.getByLabelText(/^Calls at once/));
  await userEvent.click(screen.getByRole("button", { name: "Make the rule" }));
  expect(screen.getByRole("alert").textContent).toContain("A whole number");
  expect(sent.filter(([, path]) => path === "/api/alert-rules")).toEqual([]);
});
