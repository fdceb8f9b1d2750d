import type { Alert } from "@/wire/Alert";

/** A firing alert for tests, with what matters to the test put over it. */
export function alertOf(over: Partial<Alert> & { id: string }): Alert {
  return {
    name: "Long calls",
    severity: "warning",
    state: "firing",
    subject: "tenant",
    message: "3 calls at once",
    firedAt: "2026-10-30T12:00:00.000Z",
    ...over,
  };
}
