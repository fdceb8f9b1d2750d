import { useEffect, useRef } from "react";

/** What to do for a key, named as in `KeyboardEvent.key`; letters in lower case. */
export type KeyMap = Partial<Record<string, (event: KeyboardEvent) => void>>;

/** Whether the key belongs to what has the focus: text being typed, a slider, an open menu. */
export function isTaken(event: KeyboardEvent): boolean {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return true;
  const target = event.target;
  if (!(target instanceof HTMLElement)) return false;
  if (target.closest("input, textarea, select, [contenteditable], [role=menu], [role=dialog]")) {
    return true;
  }
  const isActivation = event.key === "Enter" || event.key === " ";
  if (isActivation && target.closest("button, a, [role=button]")) return true;
  return event.key.startsWith("Arrow") && target.closest("[role=slider]") !== null;
}

/** Hears single keys anywhere on the page while the component is there. */
export function useKeys(map: KeyMap): void {
  const latest = useRef(map);
  useEffect(() => {
    latest.current = map;
  });
  useEffect(() => {
    const press = (event: KeyboardEvent) => {
      if (isTaken(event)) return;
      const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
      const act = latest.current[key];
      if (act === undefined) return;
      event.preventDefault();
      act(event);
    };
    window.addEventListener("keydown", press);
    return () => window.removeEventListener("keydown", press);
  }, []);
}
