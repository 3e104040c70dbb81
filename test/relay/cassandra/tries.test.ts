import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { MAX_TRIES, MAX_TRIES_MS } from "../../../relay/store/cassandra/bounds.js";
import { tries } from "../../../relay/store/cassandra/tries.js";

beforeEach(() => void vi.spyOn(Math, "random").mockReturnValue(0));
afterEach(() => vi.restoreAllMocks());

const count = async (each: () => void): Promise<number> => {
  let made = 0;
  for await (const _ of tries()) {
    made += 1;
    each();
  }
  return made;
};

it("tries as often as it may", async () => {
  expect(await count(() => {})).toBe(MAX_TRIES);
});

it("tries once where that took too long, and no more", async () => {
  let now = 0;
  vi.spyOn(performance, "now").mockImplementation(() => now);
  expect(await count(() => (now += MAX_TRIES_MS + 1))).toBe(1);
});
