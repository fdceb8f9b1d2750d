import { cleanup, render } from "@testing-library/react";
import { AudioLines } from "lucide-react";
import { afterEach, expect, test } from "vitest";
import { useActs, useOfferedActs, type Act } from "./acts";

afterEach(cleanup);

let shown: readonly Act[] = [];

function Palette() {
  // eslint-disable-next-line react-hooks/globals -- what the test looks at
  shown = useOfferedActs();
  return null;
}

function Offer({ name, run }: { name: string; run: () => void }) {
  useActs([{ id: "a", name, icon: AudioLines, run }]);
  return null;
}

const nothing = () => undefined;

test("what a page can do is offered while the page is there", () => {
  const page = (there: boolean) => (
    <>
      <Palette />
      {there && <Offer name="Export" run={nothing} />}
    </>
  );
  const { rerender } = render(page(true));
  expect(shown.map(({ name }) => name)).toEqual(["Export"]);
  rerender(page(false));
  expect(shown).toEqual([]);
});

test("an act runs with what the page knows now, though nothing was offered anew", () => {
  const ran: number[] = [];
  const page = (value: number) => (
    <>
      <Palette />
      <Offer name="Export" run={() => ran.push(value)} />
    </>
  );
  const { rerender } = render(page(1));
  const before = shown;
  rerender(page(2));
  expect(shown).toBe(before);
  shown[0]?.run();
  expect(ran).toEqual([2]);
});
