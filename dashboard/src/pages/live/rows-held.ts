import { useState } from "react";
import type { Call } from "@/wire/Call";
import { heldRows, sameRows } from "./rows";

/** The rows, held still while the pointer is over them or the list is scrolled. */
export function useStillRows(calls: readonly Call[], held: boolean): readonly Call[] {
  const [rows, setRows] = useState(calls);
  const next = held ? heldRows(rows, calls) : calls;
  if (sameRows(rows, next)) return rows;
  setRows(next);
  return next;
}
