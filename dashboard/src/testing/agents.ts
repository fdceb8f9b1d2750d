import type { Agent } from "@/wire/Agent";

/** An agent for tests, with what matters to the test put over them. */
export function agentOf(over: Partial<Agent> & { name: string }): Agent {
  const username = over.name.toLowerCase();
  return { userId: username, username, role: "agent", status: "Available", ...over };
}
