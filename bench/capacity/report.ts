import measured from "./measured.json" with { type: "json" };
import { capacity, type Figure, type Habits } from "./model.js";
import { sizesOf } from "./sizes.js";

export const habits: Habits = {
  dailyUsers: 500_000_000,
  messagesEach: 40,
  peak: 3,
  connected: 0.25,
  devices: 1.5,
  recipients: 1.8,
  characters: 100,
  direct: 0.3,
  batch: 4,
};

const meanings: Record<keyof Habits, string> = {
  dailyUsers: "daily users",
  messagesEach: "messages each",
  peak: "peak factor: the busiest second over the average one",
  connected: "share of the daily users who are connected in the busiest hour",
  devices: "devices of a user",
  recipients: "people who get a message, besides who wrote it",
  characters: "characters of a message",
  direct: "direct share: of all messages, those that all had directly before their append",
  batch: "messages that share an append where all had them directly",
};

const STEPS = [
  [1e15, "P"],
  [1e12, "T"],
  [1e9, "G"],
  [1e6, "M"],
] as const;

export function shown({ value, unit }: Figure): string {
  if (unit === "B" || unit === "bit/s") {
    const [size, prefix] = STEPS.find(([least]) => value >= least) ?? [1, ""];
    return `${(value / size).toPrecision(3)} ${prefix}${unit}`;
  }
  const number = value.toLocaleString("en", { maximumSignificantDigits: value < 1_000 ? 3 : 4 });
  return unit === "%" ? `${number} %` : `${number}${unit}`;
}

const table = (rows: readonly (readonly string[])[]): string =>
  rows.map((row) => `| ${row.join(" | ")} |\n`).join("");

/** Markdown, as it stands in docs/capacity.md. */
export function reportCapacity(given: Habits): string {
  const assumptions = Object.entries(given).map(([name, value]) => [
    meanings[name as keyof Habits],
    value.toLocaleString("en"),
    `\`--${name}\``,
  ]);
  const figures = capacity(given, sizesOf(given.characters, given.batch), measured);
  return `${table([["assumed", "", "option"], ["---", "---:", "---"], ...assumptions])}\n${table([
    ["needed", "", "how it comes about"],
    ["---", "---:", "---"],
    ...figures.map((figure) => [figure.name, shown(figure), figure.formula]),
  ])}`;
}
