/** Reads a JSON value kept in this browser; `fallback` when there is none or it makes no sense. */
export function recall<T>(key: string, fallback: T, valid: (value: unknown) => value is T): T {
  try {
    const text = localStorage.getItem(key);
    if (text === null) return fallback;
    const value: unknown = JSON.parse(text);
    return valid(value) ? value : fallback;
  } catch {
    return fallback; // storage forbidden or broken: as if nothing had been kept
  }
}

/** Keeps a JSON value in this browser; silently not, where storage is forbidden or full. */
export function remember(key: string, value: unknown): void {
  try {
    localStorage.setItem(key, JSON.stringify(value));
  } catch {
    // what is kept here is comfort only
  }
}
