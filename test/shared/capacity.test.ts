/** The capacity model, and that docs/capacity.md says what it says. */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { capacity, movedBy } from "../../bench/capacity/model.js";
import { habits, reportCapacity } from "../../bench/capacity/report.js";
import { sizesOf } from "../../bench/capacity/sizes.js";

const measured = {
  ...{ appendsPerSecond: 100, bytesPerConnection: 1_000, connections: 10 },
  ...{
    coresPerConnection: 0.000_1,
    tlsBytesPerConnection: 500,
    tlsMicrosecondsPerHandshake: 1_000,
  },
  cassandraMessagesPerSecond: 4,
};
const small = {
  ...{ dailyUsers: 86_400, messagesEach: 10, peak: 2, connected: 0.5, devices: 1 },
  ...{ recipients: 1, characters: 100, direct: 0.5, batch: 2 },
};
const figuresOf = (given: typeof small) =>
  new Map(
    capacity(given, sizesOf(given.characters, given.batch), measured).map(({ name, value }) => [
      name,
      value,
    ]),
  );

describe("capacity", () => {
  it("follows its formulas", () => {
    const figures = figuresOf(small);
    expect(figures.get("messages a second, average")).toBe(10);
    expect(figures.get("messages a second, peak")).toBe(20);
    expect(figures.get("devices that are told of a message")).toBe(1);
    expect(figures.get("connections, peak")).toBe(43_200);
    expect(figures.get("processes by connections, as measured")).toBe(4_320);
    expect(figures.get("nodes by connections, as designed")).toBe(1);
    expect(figures.get("processes by appends, as measured")).toBe(1);
    expect(figures.get("what direct delivery saves of the appends")).toBe(25);
    expect(figures.get("cores for connections at rest")).toBe(5);
    expect(figures.get("memory for TLS, where the relay does it")).toBe(21_600_000);
    expect(figures.get("nodes of Cassandra by messages, as measured")).toBe(10);
    expect(figures.get("core-seconds of TLS when all of a node's clients come back")).toBe(50);
    const stored = sizesOf(100, 1).stored;
    expect(figures.get("storage a day")).toBe(864_000 * stored * 3);
  });

  it("saves nothing where nothing is delivered directly, and more the more is", () => {
    const saved = (direct: number) =>
      figuresOf({ ...small, direct }).get("what direct delivery saves of the outward bandwidth") ??
      0;
    expect(saved(0)).toBeCloseTo(0);
    expect(saved(0.9)).toBeGreaterThan(saved(0.3));
    expect(saved(0.3)).toBeGreaterThan(0);
  });

  it("counts what connections cost that say nothing", () => {
    const { inward, outward } = sizesOf(100, 1).idle;
    // A small frame, with what carries it, every 20 seconds.
    for (const bytes of [inward, outward]) {
      expect(bytes).toBeGreaterThan(68 / 20);
      expect(bytes).toBeLessThan(80 / 20);
    }
    expect(figuresOf(small).get("bandwidth of connections at rest, inward")).toBeCloseTo(
      43_200 * inward * 8,
    );
  });

  it("knows messages by their own bytes", () => {
    expect(sizesOf(500, 1).stored - sizesOf(100, 1).stored).toBeGreaterThanOrEqual(400);
    expect(sizesOf(100, 4).direct.append).toBeLessThan(sizesOf(100, 4).relayed.append);
  });

  it("moves about one part in n when the nth node comes", () => {
    for (const nodes of [3, 9, 31]) {
      expect(movedBy(nodes)).toBeGreaterThan(0.5 / (nodes + 1));
      expect(movedBy(nodes)).toBeLessThan(2 / (nodes + 1));
    }
  });

  it("stands in docs/capacity.md as it is", () => {
    const doc = readFileSync(new URL("../../docs/capacity.md", import.meta.url), "utf8");
    expect(doc).toContain(reportCapacity(habits));
  });
});
