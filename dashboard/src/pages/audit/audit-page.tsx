import { ScrollText, SearchX } from "lucide-react";
import { useDeferredValue, useId, useState } from "react";
import { useAudit, type AuditFilters } from "@/api/audit";
import { ApiError } from "@/api/client";
import { maySeeTeam, useUsers } from "@/api/team";
import { FilterMenu } from "@/components/filter-menu";
import { Failed, Forbidden, Loading } from "@/components/states";
import { Button } from "@/components/ui/button";
import { Input } from "@/components/ui/input";
import { Notice } from "@/components/ui/notice";
import type { PageProps } from "@/pages/registry";
import type { AuditRow } from "@/wire/AuditRow";
import { AuditTable } from "./audit-table";
import { Verify } from "./verify";

const NO_FILTERS: AuditFilters = { actor: "", action: "", subject: "", fromDay: "", toDay: "" };

/** Who did or heard what. */
export default function AuditPage({ me }: PageProps) {
  const [filters, setFilters] = useState(NO_FILTERS);
  if (!maySeeTeam(me)) {
    return <Forbidden text="Admins and auditors read the audit log. Ask one of them." />;
  }
  return (
    <div className="flex h-full min-h-0 flex-col bg-surface">
      <div className="flex min-h-11 shrink-0 flex-wrap items-center gap-2 border-b border-line px-4 py-1.5">
        <Filters filters={filters} onChange={setFilters} />
        <div className="flex-1" />
        <Verify />
      </div>
      <Feed filters={filters} onChange={setFilters} />
    </div>
  );
}

interface FilterProps {
  filters: AuditFilters;
  onChange: (filters: AuditFilters) => void;
}

function Filters({ filters, onChange }: FilterProps) {
  const users = useUsers().data ?? [];
  const set = (part: Partial<AuditFilters>) => onChange({ ...filters, ...part });
  const known = users.some(({ id }) => id === filters.actor);
  const others = filters.actor === "" || known ? [] : [[filters.actor, filters.actor] as const];
  const day = (which: "fromDay" | "toDay", label: string) => (
    <label className="flex items-center gap-1.5 text-xs text-ink-soft">
      {label}
      <Input
        type="date"
        max="9999-12-31"
        value={filters[which]}
        className="h-7 w-32 text-xs tabular-nums"
        onChange={(event) => set({ [which]: event.target.value })}
      />
    </label>
  );
  return (
    <>
      <FilterMenu
        label="Actor"
        value={filters.actor}
        onChange={(actor) => set({ actor })}
        options={[
          ["", "Anybody"] as const,
          ...users.map(({ id, username }) => [id, username] as const),
          ...others,
        ]}
      />
      <Word
        label="Action"
        placeholder="Action, such as user.added"
        value={filters.action}
        onChange={(action) => set({ action })}
      />
      <Word
        label="Subject"
        placeholder="Id of a call, a user…"
        value={filters.subject}
        onChange={(subject) => set({ subject })}
      />
      {day("fromDay", "From")}
      {day("toDay", "To")}
      {filters !== NO_FILTERS && (
        <Button variant="quiet" onClick={() => onChange(NO_FILTERS)}>
          Clear
        </Button>
      )}
    </>
  );
}

interface WordProps {
  label: string;
  placeholder: string;
  value: string;
  onChange: (value: string) => void;
}

/** A filter that is compared as a whole: it holds when it is typed to its end. */
function Word({ label, placeholder, value, onChange }: WordProps) {
  const [typed, setTyped] = useState({ of: value, text: value });
  const text = typed.of === value ? typed.text : value;
  const done = () => {
    if (text.trim() !== value) onChange(text.trim());
  };
  return (
    <Input
      aria-label={label}
      placeholder={placeholder}
      spellCheck={false}
      autoCapitalize="none"
      maxLength={200}
      value={text}
      className="h-7 w-48 text-xs"
      onChange={(event) => setTyped({ of: value, text: event.target.value })}
      onBlur={done}
      onKeyDown={(event) => {
        if (event.key === "Enter") done();
      }}
    />
  );
}

function Feed({ filters, onChange }: FilterProps) {
  const audit = useAudit(useDeferredValue(filters));
  const heading = useId();
  const rows: AuditRow[] = audit.data?.pages.flatMap((page) => page.items) ?? [];
  if (audit.isPending) return <Loading what="the audit log" rows={10} />;
  if (audit.data === undefined) {
    const forbidden = audit.error instanceof ApiError && audit.error.status === 403;
    return forbidden ? (
      <Forbidden text="Admins and auditors read the audit log. Ask one of them." />
    ) : (
      <Failed what="The audit log" error={audit.error} onRetry={() => void audit.refetch()} />
    );
  }
  if (rows.length === 0) {
    return filters === NO_FILTERS ? (
      <Notice
        icon={ScrollText}
        title="Nothing yet"
        text="Logins, listens, downloads and changes are written here."
      />
    ) : (
      <Notice
        icon={SearchX}
        title="Nothing matches"
        text="An action is written as user.added, or user. for all of a kind; ids as a whole."
      >
        <Button onClick={() => onChange(NO_FILTERS)}>Clear the filters</Button>
      </Notice>
    );
  }
  return (
    <section aria-labelledby={heading} className="min-h-0 flex-1 overflow-y-auto">
      <h2 id={heading} className="sr-only">
        What was done
      </h2>
      <AuditTable rows={rows} onNarrow={(part) => onChange({ ...filters, ...part })} />
      <More audit={audit} />
    </section>
  );
}

function More({ audit }: { audit: ReturnType<typeof useAudit> }) {
  if (!audit.hasNextPage) return null;
  return (
    <div className="flex items-center gap-3 border-t border-line p-3">
      <Button disabled={audit.isFetchingNextPage} onClick={() => void audit.fetchNextPage()}>
        {audit.isFetchingNextPage ? "Loading…" : "Older ones"}
      </Button>
      {audit.isFetchNextPageError && (
        <span role="alert" className="text-bad-ink">
          {audit.error.message}
        </span>
      )}
    </div>
  );
}
