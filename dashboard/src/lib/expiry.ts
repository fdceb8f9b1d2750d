/** How long something may last: days as text; empty: until somebody ends it. */
export const EXPIRIES = [
  ["30", "30 days"],
  ["90", "90 days"],
  ["365", "A year"],
  ["", "Never"],
] as const;
export type Expiry = (typeof EXPIRIES)[number][0];

const DAY_MS = 86_400_000;

/** When something ends that is made at `now` (ms). */
export function expiresAt(expiry: string, now: number): string | undefined {
  return expiry === "" ? undefined : new Date(now + Number(expiry) * DAY_MS).toISOString();
}

/** Where a key stands at `now` (ms). */
export function keyState(
  key: { revokedAt?: string; expiresAt?: string },
  now: number,
): "active" | "expired" | "revoked" {
  if (key.revokedAt !== undefined) return "revoked";
  return key.expiresAt !== undefined && Date.parse(key.expiresAt) <= now ? "expired" : "active";
}
