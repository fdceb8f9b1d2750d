import { cleanup, screen } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { afterEach, expect, test, vi } from "vitest";
import { verdictOf } from "@/testing/audit";
import { answering, refusal, show } from "@/testing/server";
import { Verify } from "./verify";

afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
});

const verify = () => userEvent.click(screen.getByRole("button", { name: "Verify the log" }));

test("a log that disagrees is told where and what to do", async () => {
  const disagreement = { kind: "changed", seq: 7, detail: "the hash does not fit" };
  answering({ "GET /api/audit/verify": verdictOf({ ok: false, disagreement } as never) });
  show(<Verify />);
  await verify();
  const verdict = await screen.findByTestId("verdict");
  expect(verdict.dataset.ok).toBe("false");
  expect(verdict.textContent).toContain("At place 7: the hash does not fit");
  expect(verdict.textContent).toContain("Keep a copy");
});

test("a check that failed is no verdict", async () => {
  answering({ "GET /api/audit/verify": refusal(503, "busy", "the store does not answer") });
  show(<Verify />);
  await verify();
  const alert = await screen.findByRole("alert");
  expect(alert.textContent).toContain("Nothing is known about the log");
  expect(screen.queryByTestId("verdict")).toBeNull();
});
