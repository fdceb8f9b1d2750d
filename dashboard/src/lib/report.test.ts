import { expect, test } from "vitest";
import { reportOf } from "./report";

test("a vendor's report is read as names and values, its summary apart", () => {
  expect(
    reportOf({
      summary: " Asked for a refund. ",
      cost: 0.1234,
      successEvaluation: "true",
      structuredData: { order_id: "A-17", items: ["shoe", "sock"], nested: { deep: 1 } },
      costs: { llm: 1 },
      vendorMetadata: { secret: "x" },
    }),
  ).toEqual({
    summary: "Asked for a refund.",
    entries: [
      ["Cost", "0.1234"],
      ["Success evaluation", "Yes"],
      ["Order id", "A-17"],
      ["Items", "shoe, sock"],
      ["Deep", "1"],
    ],
  });
});

test("nothing reported is nothing to read, and nobody is flooded", () => {
  expect(reportOf({ summary: "", empty: null, none: [], blank: " " })).toEqual({ entries: [] });
  const many = Object.fromEntries(Array.from({ length: 500 }, (_, at) => [`key${at}`, at]));
  expect(reportOf(many).entries).toHaveLength(40);
});
