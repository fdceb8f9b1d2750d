import {
  useInfiniteQuery,
  useMutation,
  useQuery,
  useQueryClient,
  type QueryKey,
  type UseQueryResult,
} from "@tanstack/react-query";
import { request, type Page, type RequestOptions } from "./client";

/** Most items of a list that is shown whole: far more than anybody reads. */
const MAX_ITEMS = 2_000;

/** A list that is shown whole, read page by page. */
export function useWhole<T>(
  queryKey: QueryKey,
  path: string,
  { enabled = true }: { enabled?: boolean } = {},
): UseQueryResult<T[]> {
  return useQuery({
    queryKey,
    enabled,
    queryFn: async ({ signal }) => {
      const items: T[] = [];
      let cursor: string | undefined;
      do {
        const page: Page<T> = await request("GET", path, { query: { cursor }, signal });
        items.push(...page.items);
        cursor = page.nextCursor ?? undefined;
      } while (cursor !== undefined && items.length < MAX_ITEMS);
      return items;
    },
  });
}

/** A list that grows without end, read as far as it is scrolled. */
export function useEndless<T>(
  queryKey: QueryKey,
  path: string,
  query: NonNullable<RequestOptions["query"]> = {},
  { refetchInterval }: { refetchInterval?: number } = {},
) {
  return useInfiniteQuery({
    queryKey: [...queryKey, query],
    initialPageParam: undefined as string | undefined,
    queryFn: ({ pageParam, signal }) =>
      request<Page<T>>("GET", path, { query: { ...query, cursor: pageParam }, signal }),
    getNextPageParam: (last) => last.nextCursor ?? undefined,
    ...(refetchInterval === undefined ? {} : { refetchInterval }),
  });
}

/** What is done on a press. However it ends, what it may have changed is looked at again. */
export function useAct<Given = void, Answer = unknown>(
  act: (given: Given) => Promise<Answer>,
  ...changes: QueryKey[]
) {
  const client = useQueryClient();
  return useMutation<Answer, Error, Given>({
    networkMode: "always",
    mutationFn: act,
    onSettled: () => Promise.all(changes.map((queryKey) => client.invalidateQueries({ queryKey }))),
  });
}

/** A path with ids in it, each made safe. */
export function path(parts: TemplateStringsArray, ...ids: string[]): string {
  return String.raw({ raw: parts }, ...ids.map(encodeURIComponent));
}
