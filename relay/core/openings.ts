import { DovetailError } from "../../shared/errors.js";
import type { DeviceId } from "../../shared/ids.js";
import type { Clock } from "../../shared/runtime.js";
import { Buckets } from "./buckets.js";
import type { Metrics } from "./ports.js";
import type { Request } from "./requests.js";

const OPENING: ReadonlySet<Request["type"]> = new Set<Request["type"]>([
  "openConversation",
  "createGroup",
  "join",
]);

/** Whether a conversation may be new to the user with it. */
export const isOpening = (frame: Request): boolean => OPENING.has(frame.type);

const HOUR_MS = 3_600_000;

/**
 * How many conversations a device opens, makes or joins. Of several nodes the owner of its user counts, so
 * that it is one count however many of them the device goes to.
 */
export class Openings {
  readonly #metrics: Pick<Metrics, "count">;
  readonly #buckets: Buckets | null;

  /** `anHour`: as many one device may have in an hour; undefined: any. */
  constructor(
    { clock, metrics }: { clock: Clock; metrics: Pick<Metrics, "count"> },
    anHour: number | undefined,
  ) {
    this.#metrics = metrics;
    this.#buckets = anHour === undefined ? null : new Buckets(clock, anHour, anHour / HOUR_MS);
  }

  /** @throws DovetailError `rate_limited`. */
  count(device: DeviceId): void {
    const retryAfterMs = this.#buckets?.take(device) ?? 0;
    if (retryAfterMs === 0) return;
    this.#metrics.count("rateLimited");
    throw new DovetailError("rate_limited", undefined, { retryAfterMs });
  }
}
