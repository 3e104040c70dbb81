/** What has happened so far, as a table. */
export interface Tally {
  seeds: number;
  operations: number;
  events: number;
  directMessages: number;
  violations: number;
  struck: Record<string, number>;
}

export const emptyTally = (): Tally => ({
  seeds: 0,
  operations: 0,
  events: 0,
  directMessages: 0,
  violations: 0,
  struck: {},
});

export function add(total: Tally, more: Tally): void {
  total.seeds += more.seeds;
  total.operations += more.operations;
  total.events += more.events;
  total.directMessages += more.directMessages;
  total.violations += more.violations;
  for (const [kind, count] of Object.entries(more.struck)) {
    total.struck[kind] = (total.struck[kind] ?? 0) + count;
  }
}

const grouped = (count: number): string => Math.round(count).toLocaleString("en-US");

export function table(tally: Tally, seconds: number): string {
  const kinds = Object.entries(tally.struck).sort(([, a], [, b]) => b - a);
  const rows: (readonly [string, number])[] = [
    ["seconds", seconds],
    ["seeds", tally.seeds],
    ["operations", tally.operations],
    ["operations per second", tally.operations / seconds],
    ["events", tally.events],
    ["direct messages", tally.directMessages],
    ["faults", kinds.reduce((sum, [, count]) => sum + count, 0)],
    ...kinds.map(([kind, count]) => [`  ${kind}`, count] as const),
    ["violations", tally.violations],
  ];
  const width = Math.max(...rows.map(([, count]) => grouped(count).length));
  return rows
    .map(([what, count]) => `${what.padEnd(26)}${grouped(count).padStart(width)}`)
    .join("\n");
}
