import { QueryClientProvider, type QueryClient } from "@tanstack/react-query";
import { render } from "@testing-library/react";
import type { ReactNode } from "react";
import { vi } from "vitest";
import { createQueryClient } from "@/api/query";
import { TooltipProvider } from "@/components/ui/tooltip";

/** What a request was: method, path without its query, body. */
export type Sent = readonly [string, string, unknown];

/** Answers requests by `METHOD path`; what is not in it is not there. */
export type Answers = Record<string, (body: unknown) => Response>;

/** Shows something as the page would, before a server that answers as given. */
export function show(content: ReactNode, answers: Answers): { sent: Sent[]; client: QueryClient } {
  const sent: Sent[] = [];
  vi.stubGlobal("fetch", (url: string, { method = "GET", body }: RequestInit = {}) => {
    const [path = ""] = url.split("?");
    const json = typeof body === "string" ? (JSON.parse(body) as unknown) : undefined;
    if (method !== "GET") sent.push([method, path, json]);
    const answer = answers[`${method} ${path}`];
    return Promise.resolve(answer?.(json) ?? new Response("{}", { status: 404 }));
  });
  const client = createQueryClient();
  render(
    <QueryClientProvider client={client}>
      <TooltipProvider>{content}</TooltipProvider>
    </QueryClientProvider>,
  );
  return { sent, client };
}
