import { useMutation } from "@tanstack/react-query";
import type { AuditRow } from "@/wire/AuditRow";
import type { AuditVerdict } from "@/wire/AuditVerdict";
import { dayLimit } from "./calls";
import { request } from "./client";
import { useEndless } from "./lists";
import { keys } from "./query";

/** What the log is narrowed to; empty strings mean no limit. */
export interface AuditFilters {
  actor: string;
  action: string;
  subject: string;
  /** Local day, `YYYY-MM-DD`, inclusive. */
  fromDay: string;
  /** Local day, `YYYY-MM-DD`, inclusive. */
  toDay: string;
}

/** What was done, newest first. */
export const useAudit = ({ actor, action, subject, fromDay, toDay }: AuditFilters) =>
  useEndless<AuditRow>(keys.audit, "/api/audit", {
    actor,
    action,
    subject,
    from: dayLimit(fromDay, false),
    to: dayLimit(toDay, true),
  });

/** Checks that nothing of the log was changed since it was written. */
export const useVerify = () =>
  useMutation({
    networkMode: "always",
    mutationFn: () => request<AuditVerdict>("GET", "/api/audit/verify"),
  });
