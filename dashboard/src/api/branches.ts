import type { Branch } from "@/wire/Branch";
import type { PhoneNumber } from "@/wire/PhoneNumber";
import { request } from "./client";
import { path, useAct, useWhole } from "./lists";
import { keys } from "./query";

/** The tenant's branches with how many calls each has now, kept up to date by the socket. */
export const useBranches = () => useWhole<Branch>(keys.branches, "/api/branches");

/** What is said of a branch. */
export interface BranchGiven {
  name: string;
  timezone: string | null;
}

/** Adds a branch, or changes the one with the id. */
export const useSaveBranch = (id: string | undefined) =>
  useAct(
    (body: BranchGiven) =>
      id === undefined
        ? request<Branch>("POST", "/api/branches", { body })
        : request<Branch>("PATCH", path`/api/branches/${id}`, { body }),
    keys.branches,
  );

export const useRemoveBranch = () =>
  useAct(
    (id: string) => request("DELETE", path`/api/branches/${id}`),
    keys.branches,
    keys.phoneNumbers,
  );

/** The tenant's numbers. */
export const usePhoneNumbers = () => useWhole<PhoneNumber>(keys.phoneNumbers, "/api/phone-numbers");

/** What is said of a number. */
export interface NumberGiven {
  number: string;
  branchId: string | null;
  label: string | null;
}

/** Adds a number, or changes what is said of the one with the id. */
export const useSaveNumber = (id: string | undefined) =>
  useAct(
    ({ number, ...rest }: NumberGiven) =>
      id === undefined
        ? request<PhoneNumber>("POST", "/api/phone-numbers", { body: { number, ...rest } })
        : request<PhoneNumber>("PATCH", path`/api/phone-numbers/${id}`, { body: rest }),
    keys.phoneNumbers,
    keys.branches,
  );

export const useRemoveNumber = () =>
  useAct(
    (id: string) => request("DELETE", path`/api/phone-numbers/${id}`),
    keys.phoneNumbers,
    keys.branches,
  );
