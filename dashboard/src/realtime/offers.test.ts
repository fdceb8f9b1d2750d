import { expect, test } from "vitest";
import type { Transfer } from "@/wire/Transfer";
import { Offers } from "./offers";

const transfer = (over: Partial<Transfer> = {}): Transfer => ({
  id: "t1",
  mode: "attended",
  stage: "ringing",
  kind: "user",
  userId: "ann",
  by: { userId: "sue", name: "Sue" },
  since: "",
  ...over,
});

const control = (holder: string) => ({
  callId: "c1",
  control: { holder, since: "", version: 3 },
  by: "x",
});

test("a call is offered from the first ring until it is decided", () => {
  const offers = new Offers();
  offers.take({ callId: "c1", transfer: transfer() });
  offers.take({ callId: "c2", transfer: transfer({ id: "t2" }) });
  offers.take({ callId: "c1", transfer: transfer({ stage: "talking" }) });
  expect(offers.all().map(({ callId }) => callId)).toEqual(["c2", "c1"]);
  offers.take({ callId: "c2", transfer: transfer({ id: "t2", stage: "unanswered" }) });
  expect(offers.all().map(({ callId }) => callId)).toEqual(["c1"]);
  offers.ended("c1");
  expect(offers.all()).toEqual([]);
});

test("whom a call was given to has it until somebody else does", () => {
  const offers = new Offers();
  offers.take({ callId: "c1", transfer: transfer({ stage: "completed" }) });
  offers.control(control("target:t1"));
  expect(offers.all()).toHaveLength(1);
  offers.control(control("agent"));
  expect(offers.all()).toEqual([]);
});

test("what is transferred to a telephone is offered to nobody", () => {
  const offers = new Offers();
  const toNumber = transfer({ kind: "number", number: "+49301234567" });
  delete toNumber.userId;
  offers.take({ callId: "c1", transfer: toNumber });
  expect(offers.all()).toEqual([]);
});
