import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { CircleHelp, LogOut, Monitor, Moon, Phone, Sun, UserRound } from "lucide-react";
import { Dialog as Radix } from "radix-ui";
import { useDeferredValue, useState, type ReactNode } from "react";
import { useLocation } from "wouter";
import { useAgents } from "@/api/agents";
import { useActiveCalls } from "@/api/calls";
import { errorText, request, type Page } from "@/api/client";
import { useLogout } from "@/api/session";
import { maySeeTeam, useUsers } from "@/api/team";
import { StatusDot } from "@/components/call-bits";
import {
  Command,
  CommandEmpty,
  CommandGroup,
  CommandInput,
  CommandItem,
  CommandList,
} from "@/components/ui/command";
import { Kbd } from "@/components/ui/kbd";
import { useOfferedActs } from "@/lib/acts";
import { agentLabel, customerLabel } from "@/lib/call-words";
import { moment, words } from "@/lib/format";
import { setTheme } from "@/lib/theme";
import { useNow } from "@/lib/ticker";
import { pagesFor } from "@/pages/registry";
import { isEnded } from "@/realtime/patches";
import type { Call } from "@/wire/Call";
import type { Me } from "@/wire/Me";

/** Live calls that are offered before anything was typed. */
const LIVE_SHOWN = 5;
/** Calls that a search gives. */
const FOUND_SHOWN = 8;

interface Props {
  me: Me;
  onClose: () => void;
  /** Opens a dialog of the shell instead. */
  onShow: (what: "help" | "profile") => void;
}

/** Reaches every page, every act of the page that is open, and every call. */
export default function Palette({ me, onClose, onShow }: Props) {
  const [text, setText] = useState("");
  return (
    <Radix.Root open onOpenChange={onClose}>
      <Radix.Portal>
        <Radix.Overlay className="fixed inset-0 z-40 animate-fade-in bg-black/40" />
        <Radix.Content
          aria-describedby={undefined}
          className="fixed top-[14vh] left-1/2 z-50 w-[min(36rem,calc(100vw-2rem))] -translate-x-1/2 animate-fade-in overflow-hidden rounded-xl border border-line bg-raised shadow-pop"
        >
          <Radix.Title className="sr-only">Go to or do</Radix.Title>
          <Command loop label="Go to or do">
            <CommandInput
              autoFocus
              maxLength={200}
              placeholder="Go to a page, find a call, do something…"
              value={text}
              onValueChange={setText}
            />
            <CommandList>
              <CommandEmpty>Nothing is called that.</CommandEmpty>
              <OfferedActs onClose={onClose} />
              <Pages me={me} onClose={onClose} />
              <Calls text={text.trim()} onClose={onClose} />
              {text.trim() !== "" && <Agents onClose={onClose} />}
              {text.trim() !== "" && maySeeTeam(me) && <Users onClose={onClose} />}
              <ShellActs onClose={onClose} onShow={onShow} />
            </CommandList>
          </Command>
        </Radix.Content>
      </Radix.Portal>
    </Radix.Root>
  );
}

function Hint({ children }: { children: ReactNode }) {
  return (
    <span className="min-w-0 flex-1 truncate text-right text-xs text-ink-soft">{children}</span>
  );
}

function OfferedActs({ onClose }: { onClose: () => void }) {
  const acts = useOfferedActs();
  if (acts.length === 0) return null;
  return (
    <CommandGroup heading="On this page">
      {acts.map(({ id, name, icon: Icon, key, run }) => (
        <CommandItem
          key={id}
          value={`act ${id} ${name}`}
          onSelect={() => {
            onClose();
            run();
          }}
        >
          <Icon aria-hidden />
          <span className="flex-1">{name}</span>
          {key !== undefined && <Kbd>{key}</Kbd>}
        </CommandItem>
      ))}
    </CommandGroup>
  );
}

function Pages({ me, onClose }: Pick<Props, "me" | "onClose">) {
  const [, navigate] = useLocation();
  return (
    <CommandGroup heading="Pages">
      {pagesFor(me).map(({ to, name, icon: Icon, about, key }) => (
        <CommandItem
          key={to}
          value={`page ${name} ${about}`}
          onSelect={() => {
            onClose();
            navigate(to);
          }}
        >
          <Icon aria-hidden />
          {name}
          <Hint>{about}</Hint>
          <Kbd>G</Kbd>
          <Kbd>{key.toUpperCase()}</Kbd>
        </CommandItem>
      ))}
    </CommandGroup>
  );
}

/** The live calls that match, and what the server finds among all. */
function Calls({ text, onClose }: { text: string; onClose: () => void }) {
  const [, navigate] = useLocation();
  const live = (useActiveCalls().data ?? []).filter((call) => !isEnded(call));
  const found = useFoundCalls(text);
  const ended = (found.data ?? []).filter(isEnded);
  const go = (call: Call) => () => {
    onClose();
    navigate(`${isEnded(call) ? "/history" : "/live"}/${call.id}`);
  };
  const shown = text === "" ? live.slice(0, LIVE_SHOWN) : live;
  return (
    <>
      {shown.length > 0 && (
        <CommandGroup heading="Live calls">
          {shown.map((call) => (
            <CallItem key={call.id} call={call} onSelect={go(call)} />
          ))}
        </CommandGroup>
      )}
      {text !== "" && ended.length > 0 && (
        <CommandGroup heading="Past calls" forceMount>
          {ended.map((call) => (
            <CallItem key={call.id} call={call} onSelect={go(call)} forceMount />
          ))}
        </CommandGroup>
      )}
      {found.isError && (
        <p role="alert" className="px-2.5 py-2 text-bad-ink">
          Past calls could not be searched. {errorText(found.error)}
        </p>
      )}
    </>
  );
}

function useFoundCalls(text: string) {
  const q = useDeferredValue(text);
  return useQuery({
    queryKey: ["calls", "found", q],
    enabled: q !== "",
    placeholderData: keepPreviousData,
    queryFn: async ({ signal }) => {
      const query = { q, status: "ended", limit: FOUND_SHOWN };
      return (await request<Page<Call>>("GET", "/api/calls", { query, signal })).items;
    },
  });
}

interface CallItemProps {
  call: Call;
  onSelect: () => void;
  /** The server has matched it: it is shown whatever the palette thinks. */
  forceMount?: boolean;
}

function CallItem({ call, onSelect, forceMount = false }: CallItemProps) {
  const now = useNow();
  const value = `call ${call.id} ${customerLabel(call)} ${agentLabel(call)} ${call.from} ${call.to} ${call.tags.join(" ")}`;
  return (
    <CommandItem value={value} onSelect={onSelect} forceMount={forceMount}>
      <StatusDot status={call.status} />
      <span className="truncate">{customerLabel(call)}</span>
      <Hint>
        {agentLabel(call)} · {moment(call.startedAt, now)}
      </Hint>
      <Phone aria-hidden />
    </CommandItem>
  );
}

/** Who answers calls: leads to the call they are in, else to the board. */
function Agents({ onClose }: { onClose: () => void }) {
  const [, navigate] = useLocation();
  const agents = useAgents().data ?? [];
  if (agents.length === 0) return null;
  return (
    <CommandGroup heading="Agents">
      {agents.map(({ userId, name, username, status, currentCall }) => (
        <PersonItem
          key={userId}
          value={`agent ${userId} ${name} ${username}`}
          name={name}
          hint={currentCall === undefined ? status : `${status}, in a call`}
          onSelect={() => {
            onClose();
            navigate(currentCall === undefined ? "/agents" : `/live/${currentCall.id}`);
          }}
        />
      ))}
    </CommandGroup>
  );
}

/** Everybody of the tenant, for those who see the team. */
function Users({ onClose }: { onClose: () => void }) {
  const [, navigate] = useLocation();
  const users = useUsers().data ?? [];
  if (users.length === 0) return null;
  return (
    <CommandGroup heading="Team">
      {users.map(({ id, fullName, username, role }) => (
        <PersonItem
          key={id}
          value={`user ${id} ${fullName ?? ""} ${username}`}
          name={fullName ?? username}
          hint={`${username}, ${words(role).toLowerCase()}`}
          onSelect={() => {
            onClose();
            navigate("/team");
          }}
        />
      ))}
    </CommandGroup>
  );
}

interface PersonItemProps {
  value: string;
  name: string;
  hint: string;
  onSelect: () => void;
}

function PersonItem({ value, name, hint, onSelect }: PersonItemProps) {
  return (
    <CommandItem value={value} onSelect={onSelect}>
      <UserRound aria-hidden />
      <span className="truncate">{name}</span>
      <Hint>{hint}</Hint>
    </CommandItem>
  );
}

const THEME_ACTS = [
  ["light", "Light theme", Sun],
  ["dark", "Dark theme", Moon],
  ["system", "Theme of the system", Monitor],
] as const;

function ShellActs({ onClose, onShow }: Omit<Props, "me">) {
  const logout = useLogout();
  return (
    <CommandGroup heading="Everywhere">
      <CommandItem onSelect={() => onShow("profile")}>
        <UserRound aria-hidden />
        Your profile and password
      </CommandItem>
      <CommandItem onSelect={() => onShow("help")}>
        <CircleHelp aria-hidden />
        <span className="flex-1">Show the keys</span>
        <Kbd>?</Kbd>
      </CommandItem>
      {THEME_ACTS.map(([theme, name, Icon]) => (
        <CommandItem
          key={theme}
          onSelect={() => {
            setTheme(theme);
            onClose();
          }}
        >
          <Icon aria-hidden />
          {name}
        </CommandItem>
      ))}
      <CommandItem onSelect={() => logout.mutate()}>
        <LogOut aria-hidden />
        {logout.isPending ? "Logging out…" : "Log out"}
      </CommandItem>
      {logout.isError && (
        <p role="alert" className="px-2.5 py-1 text-bad-ink">
          {errorText(logout.error)}
        </p>
      )}
    </CommandGroup>
  );
}
