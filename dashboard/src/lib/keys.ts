import { useEffect, useRef, type KeyboardEvent as ReactKey, type PointerEvent } from "react";

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

/** What a button needs that is held. */
export interface Held {
  onPointerDown: (event: PointerEvent<HTMLElement>) => void;
  onPointerUp: () => void;
  onPointerCancel: () => void;
  onContextMenu: (event: { preventDefault: () => void }) => void;
  onKeyDown: (event: ReactKey<HTMLElement>) => void;
  onKeyUp: (event: ReactKey<HTMLElement>) => void;
  onBlur: () => void;
}

const isActivation = (key: string): boolean => key === "Enter" || key === " ";

/**
 * Something that lasts as long as a key or a button is held. Whatever ends the holding ends it:
 * another window, another page, the screen's lock. `press` is left out while it cannot be done,
 * `key` where only a button is held.
 */
export function useHeldKey(
  key: string | undefined,
  press: (() => void) | undefined,
  release: () => void,
): Held {
  const latest = useRef({ press, release });
  const isHeld = useRef(false);
  useEffect(() => {
    latest.current = { press, release };
  });
  const begin = () => {
    if (isHeld.current || latest.current.press === undefined) return;
    isHeld.current = true;
    latest.current.press();
  };
  const end = () => {
    if (!isHeld.current) return;
    isHeld.current = false;
    latest.current.release();
  };
  const acts = useRef({ begin, end });
  useEffect(() => {
    const { begin, end } = acts.current;
    const down = (event: KeyboardEvent) => {
      if (event.key.toLowerCase() !== key || isTaken(event)) return;
      event.preventDefault();
      begin();
    };
    const up = (event: KeyboardEvent) => {
      if (event.key.toLowerCase() === key) end();
    };
    const hide = () => {
      if (document.hidden) end();
    };
    window.addEventListener("keydown", down);
    window.addEventListener("keyup", up);
    window.addEventListener("blur", end);
    document.addEventListener("visibilitychange", hide);
    return () => {
      window.removeEventListener("keydown", down);
      window.removeEventListener("keyup", up);
      window.removeEventListener("blur", end);
      document.removeEventListener("visibilitychange", hide);
      end();
    };
  }, [key]);
  return {
    onPointerDown: (event) => {
      if (event.button !== 0) return;
      // what is let go beside the button ends it too
      event.currentTarget.setPointerCapture(event.pointerId);
      begin();
    },
    onPointerUp: end,
    onPointerCancel: end,
    onContextMenu: (event) => event.preventDefault(), // a long touch is a hold here
    onKeyDown: (event) => {
      if (!isActivation(event.key)) return;
      event.preventDefault();
      begin();
    },
    onKeyUp: (event) => {
      if (isActivation(event.key)) end();
    },
    onBlur: end,
  };
}
