import type { ApiKey } from "@/wire/ApiKey";
import type { Client } from "@/wire/Client";
import type { Invite } from "@/wire/Invite";
import type { Me } from "@/wire/Me";
import type { Member } from "@/wire/Member";
import type { NewApiKey } from "@/wire/NewApiKey";
import type { NewInvite } from "@/wire/NewInvite";
import type { Role } from "@/wire/Role";
import type { User } from "@/wire/User";
import { request } from "./client";
import { path, useAct, useWhole } from "./lists";
import { keys } from "./query";

/** Slug of the tenant whose admins rule the others. */
const DEFAULT_CLIENT = "default";

/** Whether a role sees who belongs to the tenant. */
export const maySeeTeam = (me: Me): boolean => me.role === "admin" || me.role === "auditor";

/** Whether somebody rules all tenants: an admin of the default one, acting for it. */
export const mayRuleClients = (me: Me): boolean =>
  me.role === "admin" &&
  me.clients.some(({ clientId, slug }) => clientId === me.clientId && slug === DEFAULT_CLIENT);

/** The tenant's users, by name. */
export const useUsers = () => useWhole<User>(keys.users, "/api/users");

/** A user to be added. */
export interface UserGiven {
  username: string;
  password: string;
  role: Role;
  fullName?: string;
}

/** Adds a user: of one's own tenant, or of another one, for who rules all. */
export const useAddUser = (clientId: string | undefined) =>
  useAct(
    (user: UserGiven) => {
      const body = clientId === undefined ? user : { ...user, clientId };
      return request<User>("POST", "/api/users", { body });
    },
    keys.users,
    ...(clientId === undefined ? [] : [keys.members(clientId)]),
  );

/** What is to be changed of a user; what is missing stays. */
export interface UserChange {
  role?: Role;
  disabled?: boolean;
  fullName?: string;
  password?: string;
}

export const useChangeUser = (id: string) =>
  useAct(
    (body: UserChange) => request<User>("PATCH", path`/api/users/${id}`, { body }),
    keys.users,
  );

export const useRemoveUser = () =>
  useAct((id: string) => request("DELETE", path`/api/users/${id}`), keys.users);

/** The tenant's keys, those of the past too. */
export const useApiKeys = () => useWhole<ApiKey>(keys.apiKeys, "/api/api-keys");

/** A key to be made. */
export interface ApiKeyGiven {
  name: string;
  role: Role;
  expiresAt?: string;
}

export const useMakeApiKey = () =>
  useAct(
    (body: ApiKeyGiven) => request<NewApiKey>("POST", "/api/api-keys", { body }),
    keys.apiKeys,
  );

export const useRevokeApiKey = () =>
  useAct((id: string) => request("DELETE", path`/api/api-keys/${id}`), keys.apiKeys);

/** The tenant's invites. */
export const useInvites = () => useWhole<Invite>(keys.invites, "/api/invites");

/** An invite to be made. */
export interface InviteGiven {
  role: Role;
  expiresAt?: string;
}

export const useInvite = () =>
  useAct((body: InviteGiven) => request<NewInvite>("POST", "/api/invites", { body }), keys.invites);

export const useRevokeInvite = () =>
  useAct((id: string) => request("DELETE", path`/api/invites/${id}`), keys.invites);

/** All tenants, for who rules them. */
export const useClients = () => useWhole<Client>(keys.clients, "/api/clients");

export const useAddClient = () =>
  useAct(
    (body: { name: string; slug: string }) => request<Client>("POST", "/api/clients", { body }),
    keys.clients,
  );

export const useChangeClient = (id: string) =>
  useAct(
    (body: { name?: string; disabled?: boolean }) =>
      request<Client>("PATCH", path`/api/clients/${id}`, { body }),
    keys.clients,
    keys.me,
  );

/** Removes a tenant that has nothing any more. */
export const useRemoveClient = () =>
  useAct((id: string) => request("DELETE", path`/api/clients/${id}`), keys.clients);

/** Who belongs to a tenant. */
export const useMembers = (clientId: string) =>
  useWhole<Member>(keys.members(clientId), path`/api/clients/${clientId}/members`);

export const useAddMember = (clientId: string) =>
  useAct(
    (body: { username: string; role: Role }) =>
      request<Member>("POST", path`/api/clients/${clientId}/members`, { body }),
    keys.members(clientId),
  );

export const useChangeMember = (clientId: string, userId: string) =>
  useAct(
    (body: { role?: Role; disabled?: boolean }) =>
      request<Member>("PATCH", path`/api/clients/${clientId}/members/${userId}`, { body }),
    keys.members(clientId),
  );

export const useRemoveMember = (clientId: string) =>
  useAct(
    (userId: string) => request("DELETE", path`/api/clients/${clientId}/members/${userId}`),
    keys.members(clientId),
  );
