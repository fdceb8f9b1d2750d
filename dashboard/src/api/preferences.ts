import { useMutation, useQuery, useQueryClient, type UseQueryResult } from "@tanstack/react-query";
import type { Preferences } from "@/wire/Preferences";
import { request } from "./client";
import { keys } from "./query";

const PREFERENCES = "/api/me/preferences";

/** How the person likes the dashboard, on whatever computer. */
export function usePreferences(): UseQueryResult<Preferences> {
  return useQuery({
    queryKey: keys.preferences,
    staleTime: Infinity,
    queryFn: ({ signal }) => request<Preferences>("GET", PREFERENCES, { signal }),
  });
}

/** Changes preferences: shown at once, and put back if they are refused. One change at a time. */
export function useChangePreferences() {
  const client = useQueryClient();
  return useMutation({
    scope: { id: "preferences" },
    networkMode: "always",
    mutationFn: async (change: (known: Preferences) => Preferences) => {
      // as it is now and not as this page read it once: another one may have changed it since
      const known = await request<Preferences>("GET", PREFERENCES);
      return request<Preferences>("PUT", PREFERENCES, { body: change(known) });
    },
    onMutate: (change) => {
      const before = client.getQueryData<Preferences>(keys.preferences);
      if (before !== undefined) client.setQueryData(keys.preferences, change(before));
      return before;
    },
    onError: (_, __, before) => client.setQueryData(keys.preferences, before),
    onSuccess: (now) => client.setQueryData(keys.preferences, now),
  });
}
