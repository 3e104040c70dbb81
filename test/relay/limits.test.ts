import { expect, it } from "vitest";
import { Openings } from "../../relay/core/openings.js";
import { Limits } from "../../relay/server/limits.js";
import { DovetailError } from "../../shared/errors.js";
import type { DeviceId } from "../../shared/ids.js";
import { ManualClock } from "./world.js";

const rates = {
  deviceRate: 100,
  addressRate: 100,
  connectionRate: 6,
  registrationRate: 12,
  addressConnections: 9,
};
const clock = new ManualClock();
const address = "192.0.2.1";

/** How often it is allowed at once. */
const times = (allowed: () => number): number => {
  let count = 0;
  while (allowed() === 0) count++;
  return count;
};

it("allows an address at all nodes together what one node would", () => {
  let nodes = 1;
  const alone = new Limits(clock, rates, () => nodes);
  expect(times(() => alone.registration(address))).toBe(12);
  expect(times(() => alone.connection(address))).toBe(24);
  nodes = 3;
  const oneOfThree = new Limits(clock, rates, () => nodes);
  expect(times(() => oneOfThree.registration(address))).toBe(4);
  expect(times(() => oneOfThree.connection(address))).toBe(8);
});

it("holds an address back for all that it sent, also for what had come before it was held back", () => {
  const limits = new Limits(clock, { ...rates, addressRate: 100 });
  let waitMs = 0;
  // A quarter more than a second's worth above the four that it may send at once.
  for (let i = 0; i < 525; i++) waitMs = limits.frame(address);
  expect(waitMs).toBe(1_250);
  clock.advance(waitMs);
  expect(limits.frame(address)).toBeGreaterThan(0);
  for (let i = 0; i < 10_000; i++) waitMs = limits.frame(address);
  expect(waitMs).toBe(15_000);
});

it("allows something also where there are more nodes than tokens", () => {
  const limits = new Limits(clock, rates, () => 600);
  expect(times(() => limits.registration(address))).toBe(1);
  // Twelve a minute at all of them: here one in fifty minutes, once what the first owes is paid back.
  clock.advance(49 * 60_000);
  expect(limits.registration(address)).toBeGreaterThan(0);
  clock.advance(60_000);
  expect(times(() => limits.registration(address))).toBe(1);
});

it("allows an address so many connections at once, and others of their own", () => {
  const limits = new Limits(clock, { ...rates, connectionRate: 1_000 }, () => 3);
  for (let i = 0; i < 3; i++) {
    expect(limits.connection(address)).toBe(0);
    limits.opened(address);
  }
  expect(limits.connection(address)).toBeGreaterThan(0);
  expect(limits.connection("192.0.2.2")).toBe(0);
  // Whoever has one IPv6 address has its neighbours.
  expect(limits.connection("::ffff:192.0.2.1")).toBeGreaterThan(0);
  limits.closed(address);
  expect(limits.connection(address)).toBe(0);
});

it("allows a device so many conversations an hour, and others theirs", () => {
  const openings = new Openings({ clock, metrics: { count() {} } }, 3);
  const count = (device: DeviceId): number => {
    try {
      openings.count(device);
      return 0;
    } catch (error) {
      return DovetailError.from(error).retryAfterMs ?? Number.NaN;
    }
  };
  const [phone, laptop] = ["a".repeat(32), "b".repeat(32)] as [DeviceId, DeviceId];
  expect(times(() => count(phone))).toBe(3);
  expect(count(phone)).toBe(20 * 60_000);
  expect(times(() => count(laptop))).toBe(3);
  clock.advance(20 * 60_000);
  expect(times(() => count(phone))).toBe(1);
});
