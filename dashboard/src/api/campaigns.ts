import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import type { Campaign } from "@/wire/Campaign";
import type { WhisperPill } from "@/wire/WhisperPill";
import { request, type Page } from "./client";
import { path, useAct, useWhole } from "./lists";
import { keys } from "./query";

/** The tenant's campaigns. */
export const useCampaigns = () => useWhole<Campaign>(keys.campaigns, "/api/campaigns");

/** What is said of a campaign. */
export type CampaignGiven = Pick<Campaign, "word" | "name" | "numbers" | "active"> & {
  description: string | null;
};

/** Adds a campaign, or changes the one with the id: its word stays. */
export const useSaveCampaign = (id: string | undefined) =>
  useAct(
    ({ word, ...rest }: CampaignGiven) =>
      id === undefined
        ? request<Campaign>("POST", "/api/campaigns", { body: { word, ...rest } })
        : request<Campaign>("PATCH", path`/api/campaigns/${id}`, { body: rest }),
    keys.campaigns,
  );

export const useRemoveCampaign = () =>
  useAct((id: string) => request("DELETE", path`/api/campaigns/${id}`), keys.campaigns);

const PILLS = "/api/whisper-pills";

/** The tenant's quick messages, in the order in which they are shown. */
export const usePills = () =>
  useQuery({
    queryKey: keys.pills,
    queryFn: async ({ signal }) =>
      (await request<Page<WhisperPill>>("GET", PILLS, { signal })).items,
  });

/** Replaces all quick messages. */
export function useSetPills() {
  const client = useQueryClient();
  return useMutation({
    networkMode: "always",
    mutationFn: async (items: readonly WhisperPill[]) =>
      (await request<Page<WhisperPill>>("PUT", PILLS, { body: { items } })).items,
    onSuccess: (items) => client.setQueryData(keys.pills, items),
  });
}
