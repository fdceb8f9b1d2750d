import { useEffect, useRef } from "react";
import { useLocation } from "wouter";
import { isTaken } from "@/lib/keys";
import { pagesFor } from "@/pages/registry";
import type { Me } from "@/wire/Me";

/** How long the key after `g` is waited for. */
const SECOND_KEY_MS = 1_200;

/** Whether this computer's shortcuts are pressed with ⌘. */
export const isMac = /Mac|iPhone|iPad/.test(navigator.userAgent);

/** Ctrl K or ⌘ K, also while text is typed. */
export function usePaletteKey(toggle: () => void): void {
  const latest = useRef(toggle);
  useEffect(() => {
    latest.current = toggle;
  });
  useEffect(() => {
    const press = (event: KeyboardEvent) => {
      const held = (event.ctrlKey || event.metaKey) && !event.altKey && !event.shiftKey;
      if (!held || event.key.toLowerCase() !== "k") return;
      event.preventDefault();
      latest.current();
    };
    window.addEventListener("keydown", press);
    return () => window.removeEventListener("keydown", press);
  }, []);
}

/** `g` and then a page's letter goes there. */
export function useGoKeys(me: Me): void {
  const [, navigate] = useLocation();
  useEffect(() => {
    let since = -Infinity;
    const press = (event: KeyboardEvent) => {
      if (isTaken(event)) return;
      const key = event.key.toLowerCase();
      const second = event.timeStamp - since < SECOND_KEY_MS;
      since = !second && key === "g" ? event.timeStamp : -Infinity;
      const page = second ? pagesFor(me).find((each) => each.key === key) : undefined;
      if (page === undefined) return;
      event.preventDefault();
      event.stopImmediatePropagation(); // the letter is no command of the page that is left
      navigate(page.to);
    };
    window.addEventListener("keydown", press, { capture: true });
    return () => window.removeEventListener("keydown", press, { capture: true });
  }, [me, navigate]);
}
