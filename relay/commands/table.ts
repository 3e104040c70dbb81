/** Columns for people, as wide as what is in them. Numbers stand to the right. */
export function table(
  head: readonly string[],
  rows: readonly (readonly (string | number)[])[],
): string {
  const width = (column: number): number =>
    Math.max(...[head, ...rows].map((row) => String(row[column] ?? "").length));
  const widths = head.map((_, column) => width(column));
  const line = (row: readonly (string | number)[]): string =>
    row
      .map((cell, column) => {
        const columnWidth = widths[column] ?? 0;
        const isNumber = typeof (rows[0]?.[column] ?? "") === "number";
        return isNumber ? String(cell).padStart(columnWidth) : String(cell).padEnd(columnWidth);
      })
      .join("  ")
      .trimEnd();
  return `${[head, ...rows].map(line).join("\n")}\n`;
}

const UNITS = [
  ["d", 86_400_000],
  ["h", 3_600_000],
  ["min", 60_000],
  ["s", 1_000],
] as const;

/** In its largest whole unit. */
export function duration(ms: number): string {
  const [unit, length] = UNITS.find(([, each]) => ms >= each) ?? ["ms", 1];
  return `${Math.floor(ms / length)} ${unit}`;
}

/** In UTC, to the second. */
export const moment = (at: number): string =>
  new Date(at).toISOString().replace("T", " ").replace(/\..*/, " UTC");
