import type { AuditRow } from "@/wire/AuditRow";
import type { AuditVerdict } from "@/wire/AuditVerdict";

/** A row of the audit log for tests, with what matters to the test put over it. */
export function auditRowOf(over: Partial<AuditRow> = {}): AuditRow {
  return {
    id: "row",
    seq: 1,
    at: "2026-10-30T12:00:00.000Z",
    actor: "0192f0c1-0000-7000-8000-000000000001",
    action: "user.added",
    subjectKind: "user",
    subjectId: "0192f0c1-0000-7000-8000-000000000002",
    detail: {},
    ...over,
  };
}

/** A good verdict for tests, with what matters to the test put over it. */
export function verdictOf(over: Partial<AuditVerdict> = {}): AuditVerdict {
  return {
    ok: true,
    rows: 10,
    headHash: "00",
    adopted: 0,
    checkpoints: 1,
    foreignCheckpoints: 0,
    checkpointSeq: 10,
    publicKey: "00",
    checkedAt: "2026-10-30T12:00:00.000Z",
    tookMs: 12,
    ...over,
  };
}
