import { ALIVE_MS } from "./bounds.js";
import { type FromWorker, toWorker } from "./messages.js";

/** What the first process tells this worker to do. Where it is gone, the worker ends as well. */
export class Orders {
  readonly stop: Promise<void>;
  readonly close: Promise<void>;
  /** Over how many milliseconds its clients are to be sent away. */
  readonly drain: Promise<number>;
  #renew: () => void = () => {};

  constructor() {
    let stop = () => {};
    let close = () => {};
    let drain: (withinMs: number) => void = () => {};
    this.stop = new Promise((resolve) => {
      stop = resolve;
    });
    this.close = new Promise((resolve) => {
      close = resolve;
    });
    this.drain = new Promise((resolve) => {
      drain = resolve;
    });
    process.on("message", (given: unknown) => {
      const order = toWorker.safeParse(given).data;
      if (order?.type === "stop") stop();
      if (order?.type === "close") close();
      if (order?.type === "renew") this.#renew();
      if (order?.type === "drain") drain(order.withinMs);
    });
    const alone = (): void => {
      stop();
      close();
    };
    process.on("disconnect", alone);
    // The first process starts another in its place.
    process.on("SIGTERM", alone);
    // These reach all processes of a terminal, and the first tells its workers what to do.
    process.on("SIGINT", () => {});
    process.on("SIGHUP", () => {});
    sayNowAndThen({ type: "alive" });
  }

  /** The certificate is to be read anew. */
  onRenew(renew: () => void): void {
    this.#renew = renew;
  }
}

/** At once, and not again before that was taken. */
function sayNowAndThen(message: FromWorker): void {
  let taken = true;
  const say = (): void => {
    if (!taken) return;
    taken = false;
    tellPrimary(message, () => {
      taken = true;
    });
  };
  say();
  setInterval(say, ALIVE_MS).unref();
}

export function tellPrimary(message: FromWorker, taken: () => void = () => undefined): void {
  if (process.connected) process.send?.(message, undefined, undefined, taken);
}
