import { BookmarkCheck, ChevronDown, LoaderCircle, X } from "lucide-react";
import { useState, type SyntheticEvent } from "react";
import { errorText } from "@/api/client";
import { useChangePreferences, usePreferences } from "@/api/preferences";
import { Button } from "@/components/ui/button";
import { Input } from "@/components/ui/input";
import { Popover, PopoverContent, PopoverTrigger } from "@/components/ui/popover";
import { cn } from "@/lib/cn";
import { isFiltered, readFilters } from "./filters";
import { NAME_MAX, type SavedView, viewsOf, withoutView, withView } from "./views";

interface Props {
  /** The filters as they are in the address. */
  search: string;
  onChoose: (search: string) => void;
}

/** Filters under names, kept for the person on whatever computer. */
export function ViewsMenu({ search, onChoose }: Props) {
  const preferences = usePreferences();
  const change = useChangePreferences();
  const [open, setOpen] = useState(false);
  const views = preferences.data === undefined ? [] : viewsOf(preferences.data);
  const current = views.find((view) => view.search === search);
  return (
    <Popover open={open} onOpenChange={setOpen}>
      <PopoverTrigger asChild>
        <Button variant={current === undefined ? "outline" : "on"} className="max-w-48">
          <BookmarkCheck aria-hidden />
          <span className="truncate">{current?.name ?? "Views"}</span>
          <ChevronDown aria-hidden className="-mr-1 opacity-60" />
        </Button>
      </PopoverTrigger>
      <PopoverContent align="end" aria-label="Saved views" className="w-72 p-1">
        {preferences.data === undefined ? (
          <p className="p-3 text-ink-soft">
            {preferences.isError ? errorText(preferences.error) : "Loading…"}
          </p>
        ) : (
          <>
            <Views
              views={views}
              current={current}
              onChoose={(view) => {
                onChoose(view.search);
                setOpen(false);
              }}
              onRemove={({ name }) => change.mutate(withoutView(name))}
            />
            {isFiltered(readFilters(search)) && current === undefined && (
              <Save
                pending={change.isPending}
                onSave={(name) => change.mutate(withView({ name, search }))}
              />
            )}
          </>
        )}
        {change.isError && (
          <p role="alert" className="px-2 py-1 text-xs text-bad-ink">
            {errorText(change.error)} The views are as they were.
          </p>
        )}
      </PopoverContent>
    </Popover>
  );
}

interface ViewsProps {
  views: readonly SavedView[];
  current: SavedView | undefined;
  onChoose: (view: SavedView) => void;
  onRemove: (view: SavedView) => void;
}

function Views({ views, current, onChoose, onRemove }: ViewsProps) {
  if (views.length === 0) {
    return (
      <p className="p-3 text-ink-soft">
        No view is saved yet. Narrow the list, then give it a name.
      </p>
    );
  }
  return (
    <ul>
      {views.map((view) => (
        <li key={view.name} className="flex items-center gap-1">
          <button
            type="button"
            aria-pressed={view === current}
            onClick={() => onChoose(view)}
            className={cn(
              "h-8 min-w-0 flex-1 truncate rounded-md px-2 text-left hover:bg-hover",
              view === current && "bg-selected font-medium",
            )}
          >
            {view.name}
          </button>
          <Button
            variant="quiet"
            size="icon"
            aria-label={`Remove the view ${view.name}`}
            onClick={() => onRemove(view)}
          >
            <X aria-hidden />
          </Button>
        </li>
      ))}
    </ul>
  );
}

function Save({ pending, onSave }: { pending: boolean; onSave: (name: string) => void }) {
  const [name, setName] = useState("");
  const submit = (event: SyntheticEvent) => {
    event.preventDefault();
    if (name.trim() !== "") onSave(name.trim());
  };
  return (
    <form onSubmit={submit} className="-mx-1 mt-1 -mb-1 flex gap-2 border-t border-line p-3">
      <Input
        aria-label="Name of the view"
        placeholder="Save these filters as…"
        maxLength={NAME_MAX}
        value={name}
        className="h-7 text-xs"
        onChange={(event) => setName(event.target.value)}
      />
      <Button type="submit" variant="primary" disabled={pending || name.trim() === ""}>
        {pending && <LoaderCircle aria-hidden className="animate-spin" />}
        Save
      </Button>
    </form>
  );
}
