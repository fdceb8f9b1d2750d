import { Download, LoaderCircle } from "lucide-react";
import { useState } from "react";
import { errorText, request } from "@/api/client";
import { Button } from "@/components/ui/button";
import {
  DropdownMenu,
  DropdownMenuContent,
  DropdownMenuItem,
  DropdownMenuTrigger,
} from "@/components/ui/dropdown-menu";

interface Props {
  /** What is exported: the query of the list. */
  query: Record<string, string | undefined>;
}

/** Downloads what the list finds, all of it. */
export function ExportMenu({ query }: Props) {
  const [busy, setBusy] = useState(false);
  const [trouble, setTrouble] = useState<string>();
  const get = async (format: "csv" | "json") => {
    setBusy(true);
    setTrouble(undefined);
    try {
      await download(query, format);
    } catch (error) {
      setTrouble(errorText(error));
    }
    setBusy(false);
  };
  return (
    <span className="relative inline-flex items-center gap-2">
      {trouble !== undefined && (
        <span role="alert" className="max-w-64 text-xs text-bad-ink">
          {trouble}
        </span>
      )}
      <DropdownMenu>
        <DropdownMenuTrigger asChild>
          <Button disabled={busy}>
            {busy ? (
              <LoaderCircle aria-hidden className="animate-spin" />
            ) : (
              <Download aria-hidden />
            )}
            Export
          </Button>
        </DropdownMenuTrigger>
        <DropdownMenuContent align="end">
          <DropdownMenuItem onSelect={() => void get("csv")}>
            <span className="w-10 font-medium">CSV</span>
            <span className="text-ink-soft">for spreadsheets</span>
          </DropdownMenuItem>
          <DropdownMenuItem onSelect={() => void get("json")}>
            <span className="w-10 font-medium">JSON</span>
            <span className="text-ink-soft">for programs</span>
          </DropdownMenuItem>
        </DropdownMenuContent>
      </DropdownMenu>
    </span>
  );
}

/** Throws an `ApiError` instead of leaving a broken file behind. */
async function download(query: Props["query"], format: "csv" | "json"): Promise<void> {
  // an export is noted in the audit log: whether it can be had is asked of the list, not of it
  await request("GET", "/api/calls", { query: { ...query, limit: 1 } });
  const parameters = new URLSearchParams({ format });
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined && value !== "") parameters.set(name, value);
  }
  const link = document.createElement("a");
  link.href = `/api/dashboard/export?${parameters.toString()}`;
  link.download = `calls.${format}`;
  link.click();
}
