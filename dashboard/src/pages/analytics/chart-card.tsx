import { ChartNoAxesColumn, Download, Table2 } from "lucide-react";
import { useState, type ReactNode } from "react";
import { Card } from "@/components/page";
import { Button } from "@/components/ui/button";
import { TableBody, TableCell, TableHeader, TableRow } from "@/components/ui/table";
import { cn } from "@/lib/cn";
import { csv, saveText, type Cell } from "@/lib/csv";

/** The same figures as a table: for the eyes that do not read charts, and as a file. */
export interface Figures {
  columns: readonly string[];
  rows: readonly (readonly Cell[])[];
}

interface Props {
  title: string;
  /** What it shows, in a sentence. */
  text: string;
  /** Name of the file, without its end. */
  file: string;
  figures: Figures;
  /** Nothing to be drawn: what is said instead. */
  empty?: string | undefined;
  className?: string;
  children: ReactNode;
}

/** A chart, which is a table too. */
export function ChartCard({ title, text, file, figures, empty, className, children }: Props) {
  const [asTable, setAsTable] = useState(false);
  return (
    <Card className={cn("flex min-w-0 flex-col", className)}>
      <section
        aria-label={title}
        data-testid={`chart-${file}`}
        className="flex flex-1 flex-col p-4"
      >
        <div className="mb-3 flex items-start gap-1">
          <div className="min-w-0 flex-1">
            <h2 className="font-medium">{title}</h2>
            <p className="text-xs text-ink-soft">{text}</p>
          </div>
          <Button
            variant={asTable ? "on" : "quiet"}
            size="icon"
            aria-label={`${title} as a table`}
            aria-pressed={asTable}
            title={asTable ? "As a chart" : "As a table"}
            onClick={() => setAsTable(!asTable)}
          >
            {asTable ? <ChartNoAxesColumn aria-hidden /> : <Table2 aria-hidden />}
          </Button>
          <Button
            variant="quiet"
            size="icon"
            aria-label={`Download ${title} as CSV`}
            title="Download as CSV"
            onClick={() =>
              saveText(csv(figures.columns, figures.rows), `${file}.csv`, "text/csv;charset=utf-8")
            }
          >
            <Download aria-hidden />
          </Button>
        </div>
        {empty !== undefined ? (
          <p className="flex min-h-40 flex-1 items-center justify-center text-center text-ink-soft">
            {empty}
          </p>
        ) : asTable ? (
          <FigureTable title={title} figures={figures} />
        ) : (
          children
        )}
      </section>
    </Card>
  );
}

function FigureTable({ title, figures }: { title: string; figures: Figures }) {
  return (
    <div
      role="region"
      aria-label={`${title}, table`}
      tabIndex={0}
      className="max-h-72 overflow-auto rounded-md border border-line"
    >
      <table aria-label={title} className="w-full text-left">
        <thead className="sticky top-0 bg-surface">
          <tr>
            {figures.columns.map((column, at) => (
              <TableHeader key={column} className={cn(at > 0 && "text-right")}>
                {column}
              </TableHeader>
            ))}
          </tr>
        </thead>
        <TableBody>
          {figures.rows.map((row, line) => (
            <TableRow key={line}>
              {row.map((value, at) => (
                <TableCell key={at} className={cn("h-8", at > 0 && "text-right tabular-nums")}>
                  {value ?? "–"}
                </TableCell>
              ))}
            </TableRow>
          ))}
        </TableBody>
      </table>
    </div>
  );
}
