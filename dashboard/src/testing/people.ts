import type { Me } from "@/wire/Me";
import type { Role } from "@/wire/Role";
import type { User } from "@/wire/User";

/** Whoever looks, for tests: of the default tenant. */
export function meOf(role: Role = "admin"): Me {
  return {
    id: "me",
    username: "ada",
    role,
    clientId: "t",
    clientName: "Default",
    clients: [{ clientId: "t", slug: "default", name: "Default", role }],
  };
}

/** A user for tests, with what matters to the test put over them. */
export function userOf(over: Partial<User> = {}): User {
  return {
    id: "u",
    username: "grace",
    role: "supervisor",
    clientId: "t",
    disabled: false,
    createdAt: "2026-10-30T12:00:00.000Z",
    ...over,
  };
}
