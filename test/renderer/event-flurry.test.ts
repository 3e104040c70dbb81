import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { EventFlurry } from "../../renderer/src/event-flurry.js";
import type { ClientEvent } from "../../shared/client-api.js";

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

const numbered = (n: number) => ({ event: "message.added", data: n }) as unknown as ClientEvent;

function gather() {
  const told: unknown[] = [];
  const flurry = new EventFlurry(({ data }) => told.push(data));
  return { told, add: (n: number) => flurry.add(numbered(n)), flush: () => flurry.flush() };
}

test("one event alone is handed on at once", () => {
  const { told, add } = gather();
  add(1);
  expect(told).toEqual([1]);
  vi.advanceTimersByTime(1_000);
  add(2);
  expect(told).toEqual([1, 2]);
});

test("those that follow closely come together, in their order", () => {
  const { told, add } = gather();
  for (let n = 1; n <= 5; n++) add(n);
  expect(told).toEqual([1]);
  vi.advanceTimersByTime(60);
  expect(told).toEqual([1, 2, 3, 4, 5]);
  add(6);
  expect(told).toEqual([1, 2, 3, 4, 5]);
  vi.advanceTimersByTime(60);
  expect(told).toEqual([1, 2, 3, 4, 5, 6]);
});

test("a flush lets nothing wait behind it, and what comes during it keeps its place", () => {
  const told: unknown[] = [];
  const flurry: EventFlurry = new EventFlurry(({ data }) => {
    told.push(data);
    if (data === (2 as unknown)) flurry.add(numbered(4));
  });
  for (const n of [1, 2, 3]) flurry.add(numbered(n));
  flurry.flush();
  vi.advanceTimersByTime(60);
  expect(told).toEqual([1, 2, 3, 4]);
});
