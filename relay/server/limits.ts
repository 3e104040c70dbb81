import { isIPv6 } from "node:net";
import { TokenBucket } from "limiter";
import type { DeviceId } from "../../shared/ids.js";
import { Lru } from "../core/lru.js";
import { BURST_SECONDS, MAX_BUCKETS } from "./bounds.js";

export interface Rates {
  /** Requests a second of one device. */
  readonly deviceRate: number;
  /** Frames a second of one address. */
  readonly addressRate: number;
  /** New connections a second of one address. */
  readonly connectionRate: number;
  /** Registrations a minute of one address. */
  readonly registrationRate: number;
}

/** One token bucket for each of many keys. */
class Buckets {
  readonly #buckets = new Lru<string, TokenBucket>(MAX_BUCKETS);
  readonly #perInterval: number;
  readonly #intervalMs: number;
  readonly #size: number;

  constructor(perInterval: number, intervalMs: number, size: number) {
    this.#perInterval = perInterval;
    this.#intervalMs = intervalMs;
    this.#size = size;
  }

  /** Takes a token: 0, or the milliseconds until there is one. */
  take(key: string): number {
    let bucket = this.#buckets.get(key);
    if (!bucket) {
      bucket = new TokenBucket({
        bucketSize: this.#size,
        tokensPerInterval: this.#perInterval,
        interval: this.#intervalMs,
      });
      // The package starts with an empty one.
      bucket.content = this.#size;
      this.#buckets.set(key, bucket);
    }
    return bucket.tryRemoveTokens(1) ? 0 : Math.max(1, Math.ceil(bucket.getWaitTime(1)));
  }
}

export class Limits {
  readonly #devices: Buckets;
  readonly #frames: Buckets;
  readonly #connections: Buckets;
  readonly #registrations: Buckets;

  constructor(rates: Rates) {
    const perSecond = (rate: number) => new Buckets(rate, 1_000, rate * BURST_SECONDS);
    this.#devices = perSecond(rates.deviceRate);
    this.#frames = perSecond(rates.addressRate);
    this.#connections = perSecond(rates.connectionRate);
    this.#registrations = new Buckets(rates.registrationRate, 60_000, rates.registrationRate);
  }

  request(device: DeviceId): number {
    return this.#devices.take(device);
  }

  frame(address: string): number {
    return this.#frames.take(keyOf(address));
  }

  connection(address: string): number {
    return this.#connections.take(keyOf(address));
  }

  registration(address: string): number {
    return this.#registrations.take(keyOf(address));
  }
}

/** Whoever has one IPv6 address usually has the 2^64 that share its first half. */
function keyOf(address: string): string {
  if (!isIPv6(address)) return address;
  if (/^::ffff:\d+\./i.test(address)) return address.slice(7);
  const [before = "", after] = address.split("::");
  const head = before === "" ? [] : before.split(":");
  const tail = after ? after.split(":") : [];
  const zeros = after === undefined ? 0 : 8 - head.length - tail.length;
  return [...head, ...Array<string>(zeros).fill("0"), ...tail].slice(0, 4).join(":");
}
