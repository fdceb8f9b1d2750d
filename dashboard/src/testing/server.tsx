import { QueryClientProvider } from "@tanstack/react-query";
import { render } from "@testing-library/react";
import type { ReactNode } from "react";
import { vi } from "vitest";
import { createQueryClient } from "@/api/query";
import { TooltipProvider } from "@/components/ui/tooltip";

/** What was sent to the server, reads left out. */
export interface Sent {
  act: string;
  body: unknown;
}

/** By method and path, `GET /api/users`: what the server answers, or what makes the answer. */
export type Answers = Record<string, unknown>;

/** A refusal, as the server words it. */
export function refusal(status: number, code: string, detail: string, errors?: unknown): Response {
  return Response.json({ status, code, detail, errors }, { status });
}

/** Answers requests of the page instead of a server, and keeps what was written. */
export function answering(answers: Answers): Sent[] {
  const sent: Sent[] = [];
  vi.stubGlobal("fetch", (address: string, init: RequestInit) => {
    const act = `${init.method ?? "GET"} ${address.split("?")[0] ?? ""}`;
    const body: unknown = typeof init.body === "string" ? JSON.parse(init.body) : undefined;
    if (init.method !== "GET") sent.push({ act, body });
    const told = answers[act];
    const answer: unknown = typeof told === "function" ? (told as () => unknown)() : told;
    if (answer instanceof Response) return Promise.resolve(answer.clone());
    if (answer === null) return Promise.resolve(new Response(null, { status: 204 }));
    return Promise.resolve(
      answer === undefined ? refusal(404, "not_found", `no ${act}`) : Response.json(answer),
    );
  });
  return sent;
}

/** A list as the server gives it. */
export const list = (...items: unknown[]) => ({ items, nextCursor: null });

/** Shows a part of a page with a store of its own. */
export function show(content: ReactNode) {
  return render(
    <QueryClientProvider client={createQueryClient()}>
      <TooltipProvider>{content}</TooltipProvider>
    </QueryClientProvider>,
  );
}
