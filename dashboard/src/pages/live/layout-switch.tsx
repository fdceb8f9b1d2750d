import { LayoutGrid, List, PanelRight } from "lucide-react";
import { errorText } from "@/api/client";
import { Button } from "@/components/ui/button";
import { Tooltip } from "@/components/ui/tooltip";
import type { Layout } from "@/wire/Layout";

const LAYOUTS = [
  ["list", "List", List],
  ["tiles", "Tiles", LayoutGrid],
  ["focus", "Focus: one call large", PanelRight],
] as const;

interface Props {
  layout: Layout;
  /** Why the last choice was not kept. */
  error: unknown;
  onChange: (layout: Layout) => void;
}

/** Three ways to look at the same calls. */
export function LayoutSwitch({ layout, error, onChange }: Props) {
  return (
    <div role="group" aria-label="Layout" className="flex items-center gap-0.5">
      {error !== null && (
        <span role="alert" className="text-xs text-bad-ink">
          {errorText(error)}
        </span>
      )}
      {LAYOUTS.map(([each, name, Icon]) => (
        <Tooltip key={each} content={name}>
          <Button
            variant={each === layout ? "on" : "quiet"}
            size="icon"
            aria-label={name}
            aria-pressed={each === layout}
            onClick={() => onChange(each)}
          >
            <Icon aria-hidden />
          </Button>
        </Tooltip>
      ))}
    </div>
  );
}
