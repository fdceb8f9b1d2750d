import type { Preferences } from "@/wire/Preferences";
import { isFiltered, readFilters, writeFilters } from "./filters";

/** Filters under a name. */
export interface SavedView {
  name: string;
  /** The address's part for them. */
  search: string;
}

/** Key of the views among the preferences. */
const KEY = "history";
/** Views of a person: more would be a list to be searched itself. */
export const MAX_VIEWS = 30;
export const NAME_MAX = 60;

function isView(value: unknown): value is SavedView {
  if (typeof value !== "object" || value === null) return false;
  const { name, search } = value as Record<string, unknown>;
  return typeof name === "string" && name !== "" && typeof search === "string";
}

/** The views that are kept, as far as they still make sense. */
export function viewsOf({ views }: Preferences): SavedView[] {
  const kept = views[KEY];
  return Array.isArray(kept)
    ? kept
        .filter(isView)
        .map(({ name, search }) => ({ name, search: writeFilters(readFilters(search)) }))
        .filter(({ search }) => isFiltered(readFilters(search)))
    : [];
}

const withViews = (preferences: Preferences, views: readonly SavedView[]): Preferences => ({
  ...preferences,
  views: { ...preferences.views, [KEY]: views },
});

/** Preferences with a view kept; one of the same name is replaced where it stands. */
export const withView =
  (view: SavedView) =>
  (preferences: Preferences): Preferences => {
    const views = viewsOf(preferences);
    const at = views.findIndex(({ name }) => name === view.name);
    const next = at < 0 ? [...views, view] : views.with(at, view);
    return withViews(preferences, next.slice(-MAX_VIEWS));
  };

/** Preferences without the view of a name. */
export const withoutView =
  (removed: string) =>
  (preferences: Preferences): Preferences =>
    withViews(
      preferences,
      viewsOf(preferences).filter(({ name }) => name !== removed),
    );
