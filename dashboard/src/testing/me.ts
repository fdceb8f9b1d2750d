import type { Me } from "@/wire/Me";

/** Somebody who is logged in, for tests, with what matters to the test put over them. */
export function meOf(over: Partial<Me> = {}): Me {
  return {
    id: "me",
    username: "u",
    role: "supervisor",
    clientId: "t",
    clientName: "T",
    clients: [],
    ...over,
  };
}
