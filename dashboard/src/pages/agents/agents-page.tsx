import { Headset, SearchX } from "lucide-react";
import { useRef, useState, type Ref } from "react";
import { Link } from "wouter";
import { mayTakeCalls, useAgents } from "@/api/agents";
import { DirectionIcon } from "@/components/call-bits";
import { Loaded, Loading } from "@/components/states";
import { SearchField } from "@/components/search-field";
import { StatusControl, STATUS_NAMES, STATUSES } from "@/components/status-control";
import { Badge } from "@/components/ui/badge";
import { Button } from "@/components/ui/button";
import { Notice } from "@/components/ui/notice";
import { cn } from "@/lib/cn";
import { duration, momentWithZone, words } from "@/lib/format";
import { useKeys } from "@/lib/keys";
import { useNow } from "@/lib/ticker";
import type { PageProps } from "@/pages/registry";
import { useStream } from "@/realtime/context";
import type { Agent } from "@/wire/Agent";
import type { AgentStatus } from "@/wire/AgentStatus";
import { boardOf, tally } from "./board";

/** Who answers calls: whether they take any, since when, and whom they talk to. */
export default function AgentsPage({ me }: PageProps) {
  useStream("calls");
  const agents = useAgents();
  return (
    <div className="flex h-full flex-col bg-surface">
      <Loaded query={agents} what="The agents" loading={<Loading what="the agents" />}>
        {(all) => <Board me={me} agents={all} />}
      </Loaded>
    </div>
  );
}

function Board({ me, agents }: Pick<PageProps, "me"> & { agents: readonly Agent[] }) {
  const [search, setSearch] = useState("");
  const [status, setStatus] = useState<AgentStatus | "">("");
  const searchField = useRef<HTMLInputElement>(null);
  const shown = boardOf(agents, search, status);
  useKeys({ "/": () => searchField.current?.focus() });
  return (
    <>
      <div className="flex min-h-11 shrink-0 flex-wrap items-center gap-2 border-b border-line px-4 py-1.5">
        <Filters
          agents={agents}
          search={search}
          onSearch={setSearch}
          status={status}
          onStatus={setStatus}
          searchField={searchField}
        />
        <div className="flex-1" />
        {mayTakeCalls(me) && <StatusControl me={me} />}
      </div>
      <div className="min-h-0 flex-1 overflow-y-auto bg-canvas">
        {agents.length === 0 ? (
          <Notice
            icon={Headset}
            title="No agents yet"
            text="People with the role agent, and others who have said whether they take calls, stand here."
          />
        ) : shown.length === 0 ? (
          <Notice icon={SearchX} title="No agent matches" text="Others do not fit the filters.">
            <Button
              onClick={() => {
                setSearch("");
                setStatus("");
              }}
            >
              Clear the filters
            </Button>
          </Notice>
        ) : (
          <ul
            aria-label="Agents"
            className="grid grid-cols-[repeat(auto-fill,minmax(16rem,1fr))] gap-3 p-4"
          >
            {shown.map((agent) => (
              <AgentCard key={agent.userId} agent={agent} isMe={agent.userId === me.id} />
            ))}
          </ul>
        )}
      </div>
    </>
  );
}

interface FiltersProps {
  agents: readonly Agent[];
  search: string;
  onSearch: (search: string) => void;
  status: AgentStatus | "";
  onStatus: (status: AgentStatus | "") => void;
  searchField: Ref<HTMLInputElement>;
}

/** The search, and a count per status that narrows to it. */
function Filters({ agents, search, onSearch, status, onStatus, searchField }: FiltersProps) {
  const counts = tally(agents);
  return (
    <>
      <SearchField
        ref={searchField}
        label="Search agents"
        value={search}
        onChange={onSearch}
        className="w-56"
      />
      <div role="group" aria-label="Status" className="flex gap-1">
        {STATUS_NAMES.map((each) => {
          const { icon: Icon, ink } = STATUSES[each];
          const on = each === status;
          return (
            <Button
              key={each}
              variant={on ? "on" : "quiet"}
              aria-pressed={on}
              onClick={() => onStatus(on ? "" : each)}
            >
              <Icon aria-hidden className={ink} />
              {each}
              <span className="tabular-nums">{counts[each]}</span>
            </Button>
          );
        })}
      </div>
      <span className="text-xs text-ink-soft tabular-nums">{counts.inCall} in a call</span>
    </>
  );
}

function AgentCard({ agent, isMe }: { agent: Agent; isMe: boolean }) {
  const { name, username, role, status, since, currentCall } = agent;
  const { icon: Icon, ink } = STATUSES[status];
  return (
    <li
      data-testid="agent"
      data-status={status}
      className="rounded-lg border border-line bg-surface p-3"
    >
      <div className="flex items-center gap-2">
        <Icon aria-hidden className={cn("size-4 shrink-0", ink)} />
        <span className="min-w-0 flex-1 truncate font-medium" title={username}>
          {name}
        </span>
        {isMe && <Badge tone="accent">You</Badge>}
        {role !== "agent" && <Badge tone="outline">{words(role)}</Badge>}
      </div>
      <p className="mt-1 flex h-5 items-center gap-1.5 pl-6 text-ink-soft">
        {status}
        {since !== undefined && <Since at={since} />}
      </p>
      <div className="mt-2 flex h-8 items-center rounded-md bg-sunken px-2 dark:bg-hover">
        {currentCall === undefined ? (
          <span className="text-xs text-ink-soft">In no call</span>
        ) : (
          <Link
            href={`/live/${currentCall.id}`}
            className="flex min-w-0 flex-1 items-center gap-2 rounded hover:text-accent-ink"
          >
            <DirectionIcon direction={currentCall.direction} />
            <span className="min-w-0 flex-1 truncate">
              {currentCall.customerName ?? "In a call"}
            </span>
            <Since at={currentCall.startedAt} />
          </Link>
        )}
      </div>
    </li>
  );
}

function Since({ at }: { at: string }) {
  const now = useNow();
  return (
    <time dateTime={at} title={`Since ${momentWithZone(at)}`} className="text-xs tabular-nums">
      {duration((now - Date.parse(at)) / 1000)}
    </time>
  );
}
