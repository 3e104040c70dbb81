import type { Clock, Log } from "../../shared/runtime.js";
import { MAX_FAILURES, MAX_RESTART_MS, RESTART_MS, SETTLED_MS } from "./bounds.js";
import { type FromWorker, fromWorker, type ToWorker } from "./messages.js";
import { Watchdog } from "./watchdog.js";

/** Where clients and operators reach the relay. */
export interface Listening {
  readonly url: string;
  readonly http: string;
}

/** A process that was started as a worker. */
export interface WorkerProcess {
  readonly pid: number | undefined;
  /** One that has just ended hears nothing, which is seen by its end. */
  tell(message: ToWorker): void;
  /** At once, and also where it stands still. */
  kill(): void;
}

export interface WorkerListener {
  said(message: unknown): void;
  ended(code: number | null, signal: string | null): void;
}

/** Starts a worker; `port` is null as long as any free one will do. */
export type Fork = (index: number, port: number | null, listener: WorkerListener) => WorkerProcess;

interface Latch {
  readonly done: Promise<void>;
  open(): void;
}

/** One process at a seat, from its start to its end. */
interface Life {
  readonly process: WorkerProcess;
  /** What it is told with its first word, because before that it does not listen; null from then on. */
  untold: ToWorker[] | null;
  readonly startedAt: number;
  listening: boolean;
  drained: boolean;
  /** Why it cannot go on, where it has said so. */
  reason: string | null;
  readonly stopped: Latch;
  readonly ended: Latch;
}

interface Seated {
  /** Null while it is not there. */
  life: Life | null;
  /** How often in a row it has ended soon after its start. */
  failures: number;
}

/** The workers of a relay: starts again whoever has ended, and ends whoever stands still. */
export class Crew {
  readonly #fork: Fork;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #seats: readonly Seated[];
  readonly #watchdog: Watchdog;
  /** The port that was found where any free one was asked for. */
  #port: number | null = null;
  #stopping = false;
  #draining = false;
  #begun: { resolve: (at: Listening) => void; reject: (error: Error) => void } | null = null;
  #fail: (reason: string) => void = () => {};
  readonly #allDrained = latch();
  /** An operator's command has sent all clients away. */
  readonly drained = this.#allDrained.done;
  /** Resolves with why, where one of them cannot be kept running: the relay is to end. */
  readonly failed = new Promise<string>((resolve) => {
    this.#fail = resolve;
  });

  constructor(count: number, { fork, clock, log }: { fork: Fork; clock: Clock; log: Log }) {
    this.#fork = fork;
    this.#clock = clock;
    this.#log = log;
    this.#seats = Array.from({ length: count }, () => ({ life: null, failures: 0 }));
    this.#watchdog = new Watchdog(clock, (index) => {
      log.error("worker.hung", { worker: index });
      this.#seats[index]?.life?.process.kill();
    });
  }

  /**
   * Resolves when every worker takes clients.
   * @throws Error where one cannot start, with what it says of that.
   */
  begin(): Promise<Listening> {
    return new Promise((resolve, reject) => {
      this.#begun = { resolve, reject };
      for (const index of this.#seats.keys()) this.#start(index);
    });
  }

  /** Every worker ends its writes and sends its clients away, and only when all have they close their folders. */
  async stop(): Promise<void> {
    this.#stopping = true;
    const lives = this.#lives();
    for (const life of lives) tell(life, { type: "stop" });
    await Promise.all(lives.map(({ stopped }) => stopped.done));
    for (const life of lives) tell(life, { type: "close" });
    await Promise.all(lives.map(({ ended }) => ended.done));
    this.#watchdog.stop();
  }

  /** Its workers read their certificate anew. */
  renew(): void {
    for (const life of this.#lives()) tell(life, { type: "renew" });
  }

  /** At once, and nothing acknowledged is lost by it. */
  kill(): void {
    for (const { process } of this.#lives()) process.kill();
  }

  #lives(): Life[] {
    return this.#seats.flatMap(({ life }) => life ?? []);
  }

  #start(index: number): void {
    const seat = this.#seats[index] as Seated;
    const process = this.#fork(index, this.#port, {
      said: (given) => {
        const message = fromWorker.safeParse(given).data;
        if (message) this.#said(index, life, message);
      },
      ended: (code, signal) => {
        if (!this.#stopping) this.#log.error("worker.ended", { worker: index, code, signal });
        this.#ended(index, life);
      },
    });
    const life: Life = {
      process,
      // The others need its folders until their last clients have gone, and it takes none.
      untold: this.#draining ? [{ type: "drain", withinMs: 0 }] : [],
      startedAt: this.#clock.monotonic(),
      listening: false,
      drained: false,
      reason: null,
      stopped: latch(),
      ended: latch(),
    };
    seat.life = life;
    this.#watchdog.started(index);
  }

  #said(index: number, life: Life, message: FromWorker): void {
    this.#watchdog.heard(index);
    const { untold } = life;
    life.untold = null;
    for (const order of untold ?? []) tell(life, order);
    switch (message.type) {
      case "alive":
        break;
      case "listening":
        life.listening = true;
        this.#port = message.port;
        this.#log.info("worker.listening", { worker: index, process: life.process.pid });
        if (this.#seats.every((seat) => seat.life?.listening)) {
          this.#begun?.resolve(message);
          this.#begun = null;
        }
        break;
      case "failed":
        life.reason = message.reason;
        this.#log.error("worker.failed", { worker: index, reason: message.reason });
        this.#begun?.reject(new Error(message.reason));
        break;
      case "drain":
        this.#draining = true;
        for (const each of this.#lives()) {
          tell(each, { type: "drain", withinMs: message.withinMs });
        }
        break;
      case "drained":
        life.drained = true;
        this.#lookWhetherDrained();
        break;
      case "stopped":
        life.stopped.open();
        break;
    }
  }

  #ended(index: number, life: Life): void {
    const seat = this.#seats[index] as Seated;
    seat.life = null;
    this.#watchdog.forget(index);
    life.stopped.open();
    life.ended.open();
    if (this.#stopping) return;
    // At the first start there is nothing to keep up: what is wrong is for whoever started it.
    this.#begun?.reject(new Error("A worker ended while it started."));
    this.#lookWhetherDrained();
    const settled = this.#clock.monotonic() - life.startedAt > SETTLED_MS;
    seat.failures = settled ? 0 : seat.failures + 1;
    if (seat.failures >= MAX_FAILURES) {
      const often = `Worker ${index} has ended ${seat.failures} times in a row soon after its start.`;
      this.#fail(life.reason === null ? often : `${often} ${life.reason}`);
      return;
    }
    const waitMs = Math.min(MAX_RESTART_MS, RESTART_MS * 2 ** Math.max(0, seat.failures - 1));
    this.#clock.after(waitMs, () => {
      if (!this.#stopping) this.#start(index);
    });
  }

  /** One that is not there has no clients. */
  #lookWhetherDrained(): void {
    if (this.#draining && this.#lives().every(({ drained }) => drained)) this.#allDrained.open();
  }
}

function tell({ process, untold }: Life, order: ToWorker): void {
  if (untold) untold.push(order);
  else process.tell(order);
}

function latch(): Latch {
  let open = (): void => {};
  const done = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { done, open: () => open() };
}
