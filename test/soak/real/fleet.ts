/** Devices and members come and go while everything else goes on. */
import { setTimeout as sleep } from "node:timers/promises";
import { RpcError } from "../../real/processes.js";
import type { Prng } from "../../sim/virtual-time.js";
import type { Cast } from "./cast.js";
import { part, settled } from "./groups.js";
import type { DeviceMachine } from "./machine.js";
import { pause } from "./pause.js";
import type { Traffic } from "./traffic.js";

const RETRY_MS = 500;
/** Devices that may be removed: none whose disk is one of the small ones, which faults are to fill. */
const MAY_GO = ["alice-3", "bob-2"];

interface Options {
  /** Milliseconds from one coming or going to the next, on an average. */
  readonly everyMs: number;
  /** Whether devices come and go, too, which takes a while. */
  readonly devices: boolean;
  readonly note: (line: string) => void;
}

export class Fleet {
  /** How often each thing was done. */
  readonly done = new Map<string, number>();
  readonly #cast: Cast;
  readonly #traffic: Traffic;
  readonly #options: Options;
  readonly #over = new AbortController();
  #rhythm: Promise<void> = Promise.resolve();

  constructor(cast: Cast, traffic: Traffic, options: Options) {
    this.#cast = cast;
    this.#traffic = traffic;
    this.#options = options;
  }

  begin(random: Prng): void {
    this.#rhythm = this.#goOn(random);
  }

  async end(): Promise<void> {
    this.#over.abort();
    await this.#rhythm;
  }

  async #goOn(random: Prng): Promise<void> {
    const { signal } = this.#over;
    const leaving = [...MAY_GO];
    for (let turn = 1; !signal.aborted; turn++) {
      const pauseMs = random.between(0, 2 * this.#options.everyMs);
      await pause(pauseMs, signal);
      if (signal.aborted) return;
      if (this.#options.devices && turn % 2 === 0) {
        const [spare] = this.#cast.spares;
        if (spare && turn % 4 === 2) await this.#link(spare, random);
        else {
          const name = leaving[0];
          const device = this.#cast.devices.find((each) => each.name === name);
          if (device && (await this.#remove(device, random))) leaving.shift();
        }
      } else if (await part(this.#traffic, random, signal)) this.#count("member out");
    }
  }

  #count(what: string): void {
    this.done.set(what, (this.done.get(what) ?? 0) + 1);
    this.#options.note(what);
  }

  async #link(spare: DeviceMachine, random: Prng): Promise<void> {
    if (!spare.running) await spare.start();
    while (!this.#over.signal.aborted) {
      const host = random.pick(this.#cast.devicesOf(spare.handle));
      try {
        const { code } = await this.#traffic.ask(host, "devices.pair", {});
        await this.#traffic.ask(spare, "account.link", { code });
      } catch {
        // Perhaps it is linked all the same.
        await sleep(RETRY_MS);
      }
      const account = await this.#traffic.ask(spare, "account.get", {});
      if (!account) continue;
      spare.deviceId = account.deviceId;
      this.#cast.spares.splice(this.#cast.spares.indexOf(spare), 1);
      this.#cast.devices.push(spare);
      this.#traffic.join(spare, random);
      this.#count("device linked");
      return;
    }
  }

  /** As with members: what it has told others directly and not yet the relay would not survive it. */
  async #remove(device: DeviceMachine, random: Prng): Promise<boolean> {
    const { signal } = this.#over;
    let removed = false;
    await this.#traffic.whileResting(device, async () => {
      const talks = this.#cast.talksOf(device);
      if (!(await settled(this.#traffic, [device], talks, signal))) return;
      const others = this.#cast.devicesOf(device.handle).filter((other) => other !== device);
      while (!removed && !signal.aborted) {
        const { deviceId } = device;
        try {
          await this.#traffic.ask(random.pick(others), "devices.remove", { deviceId });
          removed = true;
        } catch (error) {
          removed = error instanceof RpcError && error.code === "not_found";
          if (!removed) await sleep(RETRY_MS);
        }
      }
      if (!removed) return;
      // A node that is cut off or stands still hears of it only when it is back.
      if (this.#cast.services) await this.#isOut(device);
      const { devices } = this.#cast;
      for (const other of devices) device.farewells.set(other.name, other.sent.length);
      devices.splice(devices.indexOf(device), 1);
      this.#cast.removed.push(device);
      this.#count("device removed");
    });
    return removed;
  }

  /** Resolves when the device knows that it was removed, or when all is to end. */
  async #isOut(device: DeviceMachine): Promise<void> {
    while (!this.#over.signal.aborted) {
      const connection = await this.#traffic
        .ask(device, "connection.get", {})
        .catch(() => undefined);
      if (connection?.error === "device_removed") return;
      await sleep(RETRY_MS);
    }
  }
}
