/** Dashboard, alert rules and what is written of them agree with each other and with the relay. */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { prometheusMetrics } from "../../relay/server/metrics.js";

const read = (path: string): string =>
  readFileSync(new URL(`../../docs/${path}`, import.meta.url), "utf8");

const metricsIn = (text: string): string[] =>
  [...new Set(text.match(/\b(?:dovetail|process|nodejs)_[a-z0-9_]+/g))].map((name) =>
    name.replace(/_(?:bucket|sum|count)$/, ""),
  );

const { registry } = prometheusMetrics();
const known = registry.getMetricsAsArray().map(({ name }) => name);

describe.each(["monitoring/alerts.yaml", "monitoring/grafana.json"])("%s", (path) => {
  it("names only what the relay measures", () => {
    const named = metricsIn(read(path));
    expect(named.length).toBeGreaterThan(5);
    expect(known).toEqual(expect.arrayContaining(named));
  });
});

it("every alert has its page, and every page its alert", () => {
  const alerts = [...read("monitoring/alerts.yaml").matchAll(/- alert: (\w+)/g)];
  const pages = [...read("alerts.md").matchAll(/^## (\w+)$/gm)];
  expect(alerts.length).toBeGreaterThan(5);
  expect(pages.map(([, name]) => name)).toEqual(alerts.map(([, name]) => name));
});

it("the dashboard is JSON whose panels do not cover each other", () => {
  const { panels } = JSON.parse(read("monitoring/grafana.json")) as {
    panels: { title: string; gridPos: { x: number; y: number } }[];
  };
  const places = panels.map(({ gridPos }) => `${gridPos.x},${gridPos.y}`);
  expect(new Set(places).size).toBe(panels.length);
});
