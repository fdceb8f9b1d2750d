import type { Role } from "@/wire/Role";

/** Every role, the least first. */
export const ROLES = ["agent", "supervisor", "admin", "auditor"] as const satisfies readonly Role[];

/** What a role may do. */
export const ROLE_TEXT: Record<Role, string> = {
  agent: "Answers calls, and sees their own.",
  supervisor: "Hears calls, and acts on them.",
  admin: "May everything: people, keys, settings.",
  auditor: "Reads everything, and changes nothing.",
};
