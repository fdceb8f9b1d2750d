import { cleanup, render, screen } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { afterEach, expect, test } from "vitest";
import { ChartCard } from "./chart-card";

afterEach(cleanup);

const figures = {
  columns: ["Day", "Calls"],
  rows: [["Monday", 3] as const, ["<i>", null] as const],
};

function show(empty?: string) {
  render(
    <ChartCard title="Calls" text="By day." file="calls" figures={figures} empty={empty}>
      <svg data-testid="drawing" />
    </ChartCard>,
  );
}

test("every chart is a table too, with every figure as text", async () => {
  show();
  expect(screen.queryByRole("table")).toBeNull();
  await userEvent.click(screen.getByRole("button", { name: "Calls as a table" }));
  expect(screen.queryByTestId("drawing")).toBeNull();
  const cells = screen.getAllByRole("cell").map((cell) => cell.textContent);
  expect(cells).toEqual(["Monday", "3", "<i>", "–"]);
});

test("nothing to be drawn is said in words", () => {
  show("No calls in this period.");
  expect(screen.getByText("No calls in this period.")).toBeTruthy();
  expect(screen.queryByTestId("drawing")).toBeNull();
});
