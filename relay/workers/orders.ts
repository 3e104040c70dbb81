import { type FromWorker, toWorker } from "./messages.js";

/** What the first process tells this worker to do. Where it is gone, the worker ends as well. */
export class Orders {
  readonly stop: Promise<void>;
  readonly close: Promise<void>;
  #renew: () => void = () => {};

  constructor() {
    let stop = () => {};
    let close = () => {};
    this.stop = new Promise((resolve) => {
      stop = resolve;
    });
    this.close = new Promise((resolve) => {
      close = resolve;
    });
    process.on("message", (given: unknown) => {
      const order = toWorker.safeParse(given).data?.type;
      if (order === "stop") stop();
      if (order === "close") close();
      if (order === "renew") this.#renew();
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
  }

  /** The certificate is to be read anew. */
  onRenew(renew: () => void): void {
    this.#renew = renew;
  }
}

export function tellPrimary(message: FromWorker): void {
  if (process.connected) process.send?.(message, undefined, undefined, () => undefined);
}
