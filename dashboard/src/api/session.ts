import {
  useMutation,
  useQuery,
  useQueryClient,
  type QueryClient,
  type UseQueryResult,
} from "@tanstack/react-query";
import type { Call } from "@/wire/Call";
import type { Me } from "@/wire/Me";
import { ApiError, request } from "./client";
import { keys } from "./query";

/** The person who is logged in; `null` when nobody is. */
export function useMe(): UseQueryResult<Me | null> {
  return useQuery({
    queryKey: keys.me,
    staleTime: Infinity,
    queryFn: async ({ signal }) => {
      try {
        return await request<Me>("GET", "/api/me", { signal });
      } catch (error) {
        if (error instanceof ApiError && error.isUnauthenticated) return null;
        throw error;
      }
    },
  });
}

export interface Credentials {
  username: string;
  password: string;
}

/** Shows another person, or nobody, and forgets what the one before was shown. */
function become(client: QueryClient, me: Me | null): void {
  client.removeQueries({ predicate: (query) => query.queryKey[0] !== keys.me[0] });
  client.setQueryData(keys.me, me);
}

/** Logs in: the session is in an HttpOnly cookie afterwards. */
export function useLogin() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: async (credentials: Credentials) => {
      await request("POST", "/api/auth/login", { body: credentials });
      return request<Me>("GET", "/api/me");
    },
    onSuccess: (me) => become(client, me),
  });
}

/** Who joins by an invite. */
export interface Registration extends Credentials {
  fullName?: string;
  /** The invite's token. */
  invite: string;
}

/** Joins, and is logged in. The invite is used up then, and leaves the address. */
export function useRegister() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: async ({ fullName, ...registration }: Registration) => {
      const named = fullName === undefined ? {} : { full_name: fullName };
      await request("POST", "/api/register", { body: { ...registration, ...named } });
      return request<Me>("GET", "/api/me");
    },
    onSuccess: (me) => {
      history.replaceState(null, "", "/");
      become(client, me);
    },
  });
}

/** Logs out and forgets everything that was shown. */
export function useLogout() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: () => request("POST", "/api/auth/logout"),
    onSuccess: () => become(client, null),
  });
}

/** Acts for another tenant: everything that was shown is the former one's, and forgotten. */
export function useSwitchClient() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: async (clientId: string) => {
      await request("POST", "/api/auth/switch", { body: { clientId } });
      return request<Me>("GET", "/api/me");
    },
    onSuccess: (me) => become(client, me),
  });
}

/** Changes one's own name and number. */
export function useChangeProfile() {
  const client = useQueryClient();
  return useMutation({
    networkMode: "always",
    mutationFn: (body: { full_name?: string; forwarding_number?: string }) =>
      request<Me>("PUT", "/api/me/profile", { body }),
    onSuccess: (me) => client.setQueryData(keys.me, me),
  });
}

/** Changes one's own password. All other sessions end. */
export function useChangePassword() {
  return useMutation({
    networkMode: "always",
    mutationFn: (body: { currentPassword: string; newPassword: string }) =>
      request("PUT", "/api/me/password", { body }),
  });
}

/** Whether a role may hear calls and act on them. */
export function maySupervise(me: Me): boolean {
  return me.role === "admin" || me.role === "supervisor";
}

/** Whether a role may write about a call: supervisors about every one, agents about their own. */
export function mayWriteAbout(call: Call, me: Me): boolean {
  if (maySupervise(me)) return true;
  return me.role === "agent" && (call.agentId === me.id || call.agentId === me.username);
}

/** Whether a role sees figures about all calls. */
export const maySeeFigures = (me: Me): boolean => maySupervise(me) || me.role === "auditor";
