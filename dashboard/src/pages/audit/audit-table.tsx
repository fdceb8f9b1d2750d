import { ChevronRight, ListFilter } from "lucide-react";
import { Fragment, useState } from "react";
import { Link } from "wouter";
import type { AuditFilters } from "@/api/audit";
import { Badge } from "@/components/ui/badge";
import { Button } from "@/components/ui/button";
import {
  Table,
  TableBody,
  TableCell,
  TableHead,
  TableHeader,
  TableRow,
} from "@/components/ui/table";
import { actionText, actorText, detailLines, subjectText } from "@/lib/audit-words";
import { cn } from "@/lib/cn";
import { moment, momentWithZone, words } from "@/lib/format";
import { serverNow } from "@/lib/ticker";
import type { AuditRow } from "@/wire/AuditRow";

type Narrow = (part: Partial<AuditFilters>) => void;

/** The rows of the log. Each opens to all that is known of it. */
export function AuditTable({ rows, onNarrow }: { rows: readonly AuditRow[]; onNarrow: Narrow }) {
  return (
    <Table aria-label="What was done">
      <TableHead>
        <TableRow>
          <TableHeader className="w-10">
            <span className="sr-only">Details</span>
          </TableHeader>
          <TableHeader>When</TableHeader>
          <TableHeader>Who</TableHeader>
          <TableHeader>What</TableHeader>
          <TableHeader>To what</TableHeader>
        </TableRow>
      </TableHead>
      <TableBody>
        {rows.map((row) => (
          <Line key={row.id} row={row} onNarrow={onNarrow} />
        ))}
      </TableBody>
    </Table>
  );
}

function Line({ row, onNarrow }: { row: AuditRow; onNarrow: Narrow }) {
  const [open, setOpen] = useState(false);
  const what = actionText(row.action);
  return (
    <Fragment>
      <TableRow data-testid="audit-row" data-action={row.action}>
        <TableCell className="pr-0">
          <Button
            variant="quiet"
            size="icon"
            aria-expanded={open}
            aria-label={`Details of: ${what}`}
            onClick={() => setOpen(!open)}
          >
            <ChevronRight aria-hidden className={cn("transition-transform", open && "rotate-90")} />
          </Button>
        </TableCell>
        <TableCell>
          <time
            dateTime={row.at}
            title={momentWithZone(row.at)}
            className="whitespace-nowrap text-ink-soft tabular-nums"
          >
            {moment(row.at, serverNow())}
          </time>
        </TableCell>
        <TableCell className="font-medium">{actorText(row)}</TableCell>
        <TableCell>
          <span className="flex items-center gap-2">
            {what}
            {row.phase === "intent" && <Badge>Begun</Badge>}
          </span>
        </TableCell>
        <TableCell className="text-ink-soft tabular-nums">{subjectText(row)}</TableCell>
      </TableRow>
      {open && (
        <tr>
          <td />
          <td colSpan={4} className="px-3 pt-1 pb-4">
            <Details row={row} onNarrow={onNarrow} />
          </td>
        </tr>
      )}
    </Fragment>
  );
}

function Details({ row, onNarrow }: { row: AuditRow; onNarrow: Narrow }) {
  const known: (readonly [string, string])[] = [
    ["Written", momentWithZone(row.at)],
    ["Actor", row.actor],
    ...(row.address === undefined ? [] : [["Address", row.address] as const]),
    ["Action", row.action],
    [words(row.subjectKind), row.subjectId],
    ...(row.seq === undefined ? [] : [["Place in the log", String(row.seq)] as const]),
    ...detailLines(row),
  ];
  return (
    <div className="grid gap-3">
      <dl className="grid grid-cols-[max-content_minmax(0,1fr)] gap-x-6 gap-y-1">
        {known.map(([name, text], at) => (
          <Fragment key={`${name}-${at}`}>
            <dt className="text-ink-soft">{name}</dt>
            <dd className="break-words">{text}</dd>
          </Fragment>
        ))}
      </dl>
      <div className="flex flex-wrap gap-2">
        <Button onClick={() => onNarrow({ actor: row.actor })}>
          <ListFilter aria-hidden />
          Only this actor
        </Button>
        <Button onClick={() => onNarrow({ action: row.action })}>
          <ListFilter aria-hidden />
          Only this action
        </Button>
        <Button onClick={() => onNarrow({ subject: row.subjectId })}>
          <ListFilter aria-hidden />
          Only this {words(row.subjectKind).toLowerCase()}
        </Button>
        {row.subjectKind === "call" && (
          <Button asChild>
            <Link href={`/history/${row.subjectId}`}>Open the call</Link>
          </Button>
        )}
      </div>
    </div>
  );
}
