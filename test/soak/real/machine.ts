/** A program of a run with what outlives its processes: folder, disk, clock and what it was told. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { ClientEvent } from "../../../shared/client-api.js";
import type { ConversationId, DeviceId, MessageId } from "../../../shared/ids.js";
import { type Headless, NO_LIMITS, type Scene, SHIFTED_CLOCK } from "../../real/processes.js";
import type { SmallDisk } from "./disks.js";
import type { RelayPath } from "./relay-path.js";

const RETRY_MS = 300;

export interface Place {
  readonly scene: Scene;
  /** Of the whole run; logs and what is no disk of its own stand here. */
  readonly folder: string;
  readonly disk: SmallDisk | null;
  readonly violate: (what: string) => void;
  /** WebRTC's library has ended a device's process, which is started again. */
  readonly crashed: (name: string) => void;
}

interface Program {
  kill(): Promise<unknown>;
  signal(signal: "SIGSTOP" | "SIGCONT"): void;
  exited(): Promise<unknown>;
}

abstract class Machine<P extends Program> {
  readonly name: string;
  readonly place: Place;
  /** Of the database and whatever else the program keeps. */
  readonly data: string;
  readonly log: string;
  /** What is being done to it, so that no two faults undo each other. */
  readonly afflictions = new Set<string>();
  readonly #clock: string;
  /** By how many milliseconds its clock is ahead of ours. */
  offsetMs = 0;
  /** The running process; null while there is none that answers. */
  running: P | null = null;
  #fullDisk = false;
  /** How often its disk had room again. */
  #emptied = 0;
  #starting: Promise<void> | null = null;
  /** Whether its process has native code in it that may end it as nothing of ours can. */
  protected abstract readonly mayCrash: boolean;

  constructor(name: string, place: Place) {
    this.name = name;
    this.place = place;
    this.data = place.disk?.folder ?? join(place.folder, name);
    this.log = join(place.folder, `${name}.log`);
    this.#clock = join(place.folder, `${name}.clock`);
    mkdirSync(this.data, { recursive: true });
  }

  protected abstract launch(): Promise<P>;

  /** Answers when the program does. It cannot begin on a full disk, so that is waited for. */
  async start(): Promise<void> {
    if (this.running) return;
    this.#starting ??= this.#start().finally(() => {
      this.#starting = null;
    });
    await this.#starting;
  }

  async #start(): Promise<void> {
    for (;;) {
      const emptied = this.#emptied;
      try {
        const program = await this.launch();
        this.running = program;
        void program.exited().then((ending) => {
          if (this.running !== program) return;
          this.running = null;
          if (this.mayCrash && ending === "SIGSEGV") this.#comeBack();
          else this.place.violate(`${this.name} ended by itself with ${ending}`);
        });
        return;
      } catch (error) {
        const wasFull = this.#fullDisk || this.#emptied !== emptied;
        if (!wasFull) throw new Error(`${this.name} does not start: ${error}`);
      }
      await new Promise((done) => setTimeout(done, RETRY_MS));
    }
  }

  #comeBack(): void {
    this.place.crashed(this.name);
    this.start().catch((error: unknown) => this.place.violate(String(error)));
  }

  async kill(): Promise<void> {
    // What is just beginning could not be found otherwise.
    await this.#starting?.catch(() => undefined);
    const program = this.running;
    this.running = null;
    await program?.kill();
  }

  setClock(offsetMs: number): void {
    this.offsetMs = offsetMs;
    writeFileSync(this.#clock, String(offsetMs));
  }

  fillDisk(): void {
    this.#fullDisk = true;
    this.place.disk?.fill();
  }

  emptyDisk(): void {
    this.place.disk?.empty();
    this.#fullDisk = false;
    this.#emptied++;
  }

  /** The beginning of a command whose clock is this machine's. */
  protected get shifted(): string[] {
    return ["env", `NODE_OPTIONS=--import=${SHIFTED_CLOCK}`, `DOVETAIL_TEST_CLOCK=${this.#clock}`];
  }
}

/** A relay as it runs, of one process or of several. */
export interface RelayProgram extends Program {
  readonly port: number;
  /** Process ids. */
  readonly workers: readonly number[];
  kill(signal?: NodeJS.Signals): Promise<unknown>;
}

export class RelayMachine extends Machine<RelayProgram> {
  readonly workers: number;
  protected readonly mayCrash = false;
  port = 0;

  constructor(name: string, place: Place, workers: number) {
    super(name, place);
    this.workers = workers;
  }

  /** As its operator would. */
  async stop(): Promise<void> {
    const relay = this.running;
    this.running = null;
    await relay?.kill("SIGTERM");
  }

  protected async launch(): Promise<RelayProgram> {
    const { scene } = this.place;
    const { data, port, log } = this;
    // Heartbeats so close that a silent path is noticed before it is healed.
    const args = [
      ...["--heartbeat-ms", "2000", "--log-level", "info", "--workers", `${this.workers}`],
      ...NO_LIMITS,
    ];
    const relay = await scene.relay({ data, port, log, args, within: this.shifted });
    this.port = relay.port;
    return relay;
  }
}

/** What a device asked to send. */
export interface Sent {
  readonly conversationId: ConversationId;
  readonly text: string;
  /** Null while it was not answered; for ever where the process was killed first. */
  messageId: MessageId | null;
  refused: { readonly code: string } | null;
}

export class DeviceMachine extends Machine<Headless> {
  readonly handle: string;
  protected readonly mayCrash = true;
  /** Its place among all devices, by which the wires know it. */
  readonly index: number;
  readonly path: RelayPath;
  readonly #within: readonly string[];
  readonly #relay: string;
  readonly #hears: (event: ClientEvent, life: number) => void;
  /** In the order of the requests. */
  readonly sent: Sent[] = [];
  /** Messages whose reading was acknowledged. */
  readonly read = new Set<MessageId>();
  deviceId = "" as DeviceId;
  /** Once it was removed: by name, how many messages each other device had been asked for. */
  readonly farewells = new Map<string, number>();
  /** Counts its processes. */
  life = 0;

  constructor(
    name: string,
    place: Place,
    options: {
      handle: string;
      index: number;
      path: RelayPath;
      gate: string;
      within: readonly string[];
      hears: (device: DeviceMachine, event: ClientEvent, life: number) => void;
    },
  ) {
    super(name, place);
    this.handle = options.handle;
    this.index = options.index;
    this.path = options.path;
    this.#within = options.within;
    this.#relay = `ws://${options.gate}:${options.path.port}`;
    this.#hears = (event, life) => options.hears(this, event, life);
  }

  protected async launch(): Promise<Headless> {
    const life = ++this.life;
    const client = await this.place.scene.client({
      profile: this.data,
      relay: this.#relay,
      within: [...this.#within, ...this.shifted],
      log: this.log,
      hears: (event) => this.#hears(event, life),
    });
    await client.call("account.get", {});
    return client;
  }
}
