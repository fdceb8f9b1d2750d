/** Numbers as typed, one a line or with commas between them. */
export function readNumbers(text: string): string[] {
  const found = text
    .split(/[\n,;]/)
    .map((each) => each.replace(/[\s()./-]/g, ""))
    .filter((each) => each !== "");
  return [...new Set(found)];
}
