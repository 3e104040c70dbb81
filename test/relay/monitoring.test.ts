/** Dashboard, alert rules and what is written of them agree with each other and with the relay. */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import {
  measureCertificate,
  measureDisk,
  measuredBy,
  prometheusMetrics,
  textOfAll,
} from "../../relay/server/metrics.js";

const place = (path: string): URL => new URL(`../../docs/${path}`, import.meta.url);
const read = (path: string): string => readFileSync(place(path), "utf8");

const { registry } = prometheusMetrics();
measureDisk(registry, ".");
measureCertificate(registry);
const types = new Map(
  registry.getMetricsAsArray().map(({ name, type }) => [name, String(type)] as const),
);

/** Each series of a text, with the function it stands in. */
const seriesIn = (text: string): { name: string; within: string }[] =>
  [...text.matchAll(/(\w*)\(?\b((?:dovetail|process|nodejs)_[a-z0-9_]+)/g)].map(
    ([, within = "", name = ""]) => ({ name, within }),
  );

const dashboard = JSON.parse(read("monitoring/grafana.json")) as {
  panels: { title: string; gridPos: { x: number; y: number }; targets: { expr: string }[] }[];
};
const rules = read("monitoring/alerts.yaml")
  .split(/^ {6}- (?=alert: )/m)
  .slice(1)
  .map((text) => {
    const of = (key: string): string =>
      new RegExp(`${key}:(?: \\|-)?\\s+(.*)`).exec(text)?.[1] ?? "";
    return {
      alert: of("alert"),
      expr: of("expr"),
      wait: of("for"),
      severity: of("severity"),
      text,
    };
  });

describe.each([
  ["the rules", rules.map(({ expr }) => expr)],
  ["the dashboard", dashboard.panels.flatMap(({ targets }) => targets.map(({ expr }) => expr))],
])("%s", (_, exprs) => {
  it("name only what the relay measures, and take rates of counters and of nothing else", () => {
    const named = exprs.flatMap(seriesIn);
    expect(named.length).toBeGreaterThan(10);
    for (const { name, within } of named) {
      const [, base = name, part] = /^(.*?)(?:_(bucket|sum|count))?$/.exec(name) ?? [];
      const type = types.get(name) ?? types.get(base);
      expect(type, name).toBeDefined();
      expect(type === "histogram", name).toBe(part !== undefined && !types.has(name));
      const rises = type === "counter" || type === "histogram";
      expect(/^(?:rate|increase)$/.test(within), `${within}(${name})`).toBe(rises);
    }
  });

  it("hold for several nodes, and for workers of whom each is told by itself", () => {
    for (const expr of exprs) {
      if (seriesIn(expr).length > 0) expect(expr).toMatch(/\b(?:sum|min|max|count)\b/);
    }
  });
});

describe.each(rules)("$alert", ({ wait, severity, alert, text }) => {
  it("waits, is as urgent as it is, and names its page", () => {
    expect(wait).toMatch(/^\d+[mh]$/);
    expect(severity).toMatch(/^(?:page|ticket)$/);
    expect(text).toContain(`runbook: docs/alerts.md#${alert.toLowerCase()}\n`);
    const page = new RegExp(
      `^## ${alert}\\n\\n\\*\\*.*\\*\\* \\(${severity}, after ${wait}\\)`,
      "m",
    );
    expect(read("alerts.md")).toMatch(page);
  });
});

it("every page has its alert, in the same order", () => {
  const pages = [...read("alerts.md").matchAll(/^## (\w+)$/gm)].map(([, name]) => name);
  expect(rules.length).toBeGreaterThan(5);
  expect(pages).toEqual(rules.map(({ alert }) => alert));
});

it("operators.md explains what the rules and the dashboard name", () => {
  const explained = read("operators.md");
  for (const name of types.keys()) {
    if (name.startsWith("dovetail_")) expect(explained).toContain(`\`${name}`);
  }
});

it("the rules fire where they should, and neither at rest nor as nodes are renewed", ({ skip }) => {
  skip(spawnSync("promtool", ["--version"]).status !== 0, "promtool is not installed");
  const file = fileURLToPath(place("monitoring/alerts.test.yaml"));
  const { status, stdout, stderr } = spawnSync("promtool", ["test", "rules", file], {
    encoding: "utf8",
  });
  expect(status, stdout + stderr).toBe(0);
});

it("the dashboard's panels do not cover each other", () => {
  const { panels } = dashboard;
  const places = panels.map(({ gridPos }) => `${gridPos.x},${gridPos.y}`);
  expect(new Set(places).size).toBe(panels.length);
});

it("each worker counts by itself, and what is said of all of them stands there once", async () => {
  const workers = [prometheusMetrics(), prometheusMetrics()];
  for (const [index, { metrics }] of workers.entries()) {
    metrics.count("appended", index + 3);
    metrics.committed(1, 4);
    metrics.users(7 + index);
  }
  const measured = await Promise.all(
    workers.map((each, index) => measuredBy(each.registry, index)),
  );
  const lines = (await textOfAll(measured)).split("\n");
  const wanted = [
    'dovetail_appended_total{worker="0"} 3',
    'dovetail_appended_total{worker="1"} 4',
    'dovetail_commit_seconds_count{worker="1"} 1',
    'dovetail_commit_seconds_bucket{le="0.005",worker="0"} 1',
    "dovetail_users 8",
    "dovetail_workers 2",
  ];
  expect(lines).toEqual(expect.arrayContaining(wanted));
  expect(
    lines.filter((line) => /^process_start_time_seconds\{worker="[01]"\}/.test(line)),
  ).toHaveLength(2);
  // Of one that gives no answer there is nothing, and the other is as before.
  const without = (await textOfAll(measured.slice(0, 1).concat([[]]))).split("\n");
  expect(without).toContain('dovetail_appended_total{worker="0"} 3');
  expect(without).toContain("dovetail_workers 1");
  expect(without.filter((line) => line.includes('worker="1"'))).toEqual([]);
});
