/**
 * The networks of a run. Where root can make network namespaces each device lives in one of its own
 * with two wires: one to the machine, where its way to the relay begins, and one to a bridge that
 * all devices share, over which they reach each other directly. Elsewhere all share the loopback
 * interface, and only the proxies stand between a device and the relay.
 */
import { execFileSync } from "node:child_process";
import { networkInterfaces } from "node:os";
import { whyNoNetworks } from "../../real/networks.js";

const run = (command: string, ...args: string[]): void => {
  execFileSync(command, args, { stdio: ["ignore", "ignore", "pipe"] });
};
const ip = (...args: string[]): void => run("ip", ...args);

/** Set aside for benchmarks of networks (RFC 2544), so that nothing else here has such addresses. */
const TO_RELAY = "198.18";
const DIRECT = "198.19";
/** Addresses that a run may use: as many devices as it may have. */
const BLOCK = 16;

export interface Wires {
  /** Why there is only the loopback interface; null where there are namespaces. */
  readonly missing: string | null;
  /** The address of the machine as device `i` sees it. */
  gate(i: number): string;
  /** The beginning of a command that runs where device `i` lives. */
  within(i: number): string[];
  remove(): void;
}

export class LoopbackWires implements Wires {
  readonly missing: string;

  constructor(missing: string) {
    this.missing = missing;
  }

  gate(): string {
    return "127.0.0.1";
  }

  within(): string[] {
    return [];
  }

  remove(): void {}
}

/** So that runs side by side stay apart. */
function freeBlock(): number {
  const taken = Object.values(networkInterfaces()).flatMap((each) => each ?? []);
  const free = (block: number): boolean =>
    !taken.some(({ address }) => address.startsWith(`${TO_RELAY}.${block}.`));
  for (let block = 0; block < 256; block += BLOCK) if (free(block)) return block;
  throw new Error(`all of ${TO_RELAY}.0.0 is taken: runs that were killed leave namespaces dts…`);
}

/** Runs of one process follow each other, and the kernel takes its time with what the last one left. */
let made = 0;

/** A way that a device's direct wire can be made worse without cutting it, or null. */
type Slowness = "netem" | "tbf" | null;

export class NamespaceWires implements Wires {
  readonly missing = null;
  readonly #tag = `${process.pid % 1_000_000}${String.fromCharCode(97 + (made++ % 26))}`;
  /** The third byte of the addresses of device 0. */
  readonly #block = freeBlock();
  readonly #devices: number;
  readonly slowness: Slowness;

  constructor(devices: number) {
    this.#devices = devices;
    try {
      this.#make();
      this.slowness = this.#slowness();
    } catch (error) {
      this.remove();
      throw error;
    }
  }

  gate(i: number): string {
    return `${TO_RELAY}.${this.#block + i}.1`;
  }

  within(i: number): string[] {
    return ["ip", "netns", "exec", this.#home(i)];
  }

  setRelay(i: number, state: "up" | "down"): void {
    ip("-n", this.#home(i), "link", "set", "relay", state);
  }

  setDirect(i: number, state: "up" | "down"): void {
    ip("-n", this.#home(i), "link", "set", "direct", state);
  }

  /** Packets wait, by so much that they overtake each other where the kernel can do that. */
  slowDirect(i: number): void {
    this.#queue(i, "replace", this.slowness);
  }

  quickDirect(i: number): void {
    run("tc", "-n", this.#home(i), "qdisc", "del", "dev", "direct", "root");
  }

  remove(): void {
    for (let i = 0; i < this.#devices; i++) {
      // A namespace ends some time after its removal, and would hold its wire's addresses until then.
      this.#tryTo("link", "del", this.#outside(i));
      this.#tryTo("netns", "del", this.#home(i));
    }
    this.#tryTo("netns", "del", this.#hub);
  }

  get #hub(): string {
    return `dts${this.#tag}`;
  }

  #home(i: number): string {
    return `dts${this.#tag}-${i}`;
  }

  /** The machine's end of the wire to device `i`; an interface's name is at most 15 bytes long. */
  #outside(i: number): string {
    return `dts${this.#tag}r${i}`;
  }

  #make(): void {
    ip("netns", "add", this.#hub);
    ip("-n", this.#hub, "link", "add", "bridge", "type", "bridge");
    ip("-n", this.#hub, "link", "set", "bridge", "up");
    for (let i = 0; i < this.#devices; i++) {
      const home = this.#home(i);
      const outside = this.#outside(i);
      ip("netns", "add", home);
      ip("-n", home, "link", "set", "lo", "up");
      ip("link", "add", outside, "type", "veth", "peer", "name", "relay", "netns", home);
      ip("addr", "add", `${this.gate(i)}/24`, "dev", outside);
      ip("link", "set", outside, "up");
      ip("-n", home, "addr", "add", `${TO_RELAY}.${this.#block + i}.2/24`, "dev", "relay");
      ip("-n", home, "link", "set", "relay", "up");
      const hub = ["link", "add", `port${i}`, "type", "veth", "peer", "name", "direct"];
      ip("-n", this.#hub, ...hub, "netns", home);
      ip("-n", this.#hub, "link", "set", `port${i}`, "master", "bridge");
      ip("-n", this.#hub, "link", "set", `port${i}`, "up");
      ip("-n", home, "addr", "add", `${DIRECT}.0.${i + 1}/24`, "dev", "direct");
      ip("-n", home, "link", "set", "direct", "up");
    }
  }

  #slowness(): Slowness {
    for (const each of ["netem", "tbf"] as const) {
      try {
        this.#queue(0, "add", each);
        this.quickDirect(0);
        return each;
      } catch {
        // The kernel was built without it.
      }
    }
    return null;
  }

  #queue(i: number, action: "add" | "replace", kind: Slowness): void {
    const how =
      kind === "netem"
        ? ["netem", "delay", "250ms", "200ms"]
        : ["tbf", "rate", "128kbit", "burst", "16kb", "latency", "3s"];
    run("tc", "-n", this.#home(i), "qdisc", action, "dev", "direct", "root", ...how);
  }

  #tryTo(...args: string[]): void {
    try {
      ip(...args);
    } catch {
      // What was never made need not be removed.
    }
  }
}

export function wiresFor(devices: number): NamespaceWires | LoopbackWires {
  const reason = whyNoNetworks();
  return reason === null ? new NamespaceWires(devices) : new LoopbackWires(reason);
}
