import type { AppendRate } from "./appends.js";
import type { Latency } from "./stats.js";

export interface Measured {
  readonly relayed: Latency;
  readonly direct: Latency;
  readonly appends: AppendRate;
}

export interface Floors {
  readonly wsEcho: Latency;
  readonly dataChannel: Latency;
  /** Rows per second. */
  readonly level: number;
}

const ms = (value: number): string => `${value.toFixed(2)} ms`;
const perSecond = (value: number): string => `${Math.round(value).toLocaleString("en")}/s`;
const times = (value: number): string => `${value.toFixed(1)}×`;

/** A Markdown table, so that it can be put into docs/performance.md as it is. */
export function report({ relayed, direct, appends }: Measured, floors: Floors): string {
  const batch = Math.round(appends.batch);
  const rows = [
    ["", "Dovetail", "bare floor", "ratio"],
    ["---", "---:", "---:", "---:"],
    ...(["p50", "p99"] as const).flatMap((p) => [
      [
        `relayed, send to received, ${p}`,
        ms(relayed[p]),
        `${ms(floors.wsEcho[p])} (ws, two hops)`,
        times(relayed[p] / floors.wsEcho[p]),
      ],
      [
        `direct, send to received, ${p}`,
        ms(direct[p]),
        `${ms(floors.dataChannel[p])} (data channel)`,
        times(direct[p] / floors.dataChannel[p]),
      ],
    ]),
    [
      "durable appends at the relay",
      perSecond(appends.perSecond),
      `${perSecond(floors.level)} (LevelDB sync, batches of ${batch})`,
      times(floors.level / appends.perSecond),
    ],
  ];
  return `${rows.map((row) => `| ${row.join(" | ")} |`).join("\n")}\n`;
}
