/**
 * Two homes and a relay on networks of their own: Linux network namespaces that a test makes and
 * removes. Each home reaches the relay by one wire and the other home by another; nothing forwards,
 * so cutting the wire between the homes leaves the relay as the only way.
 */
import { execFileSync } from "node:child_process";

const ip = (...args: string[]): void => {
  execFileSync("ip", args, { stdio: ["ignore", "ignore", "pipe"] });
};

/** Why namespaces cannot be had here; null where they can. */
export function whyNoNetworks(): string | null {
  if (process.platform !== "linux") return "network namespaces are a thing of Linux";
  if (process.getuid?.() !== 0) return "making network namespaces needs root";
  const name = `dt-try-${process.pid}`;
  try {
    ip("netns", "add", name);
    ip("netns", "del", name);
    return null;
  } catch (error) {
    return `network namespaces cannot be made: ${String(error).split("\n")[0]}`;
  }
}

/** Names of interfaces are at most 15 characters long. */
let made = 0;

export class Networks {
  readonly #id = `${process.pid % 100_000}${made++}`;
  readonly relayFor = { a: "10.77.1.1", b: "10.77.2.1" } as const;

  constructor() {
    for (const home of ["a", "b", "r"] as const) {
      ip("netns", "add", this.#namespace(home));
      ip("-n", this.#namespace(home), "link", "set", "lo", "up");
    }
    this.#wire("a", "10.77.1.2/24", "r", "10.77.1.1/24");
    this.#wire("b", "10.77.2.2/24", "r", "10.77.2.1/24");
    this.#wire("a", "10.77.3.2/24", "b", "10.77.3.1/24");
  }

  /** The beginning of a command that runs in a home (`a`, `b`) or beside the relay (`r`). */
  within(home: "a" | "b" | "r"): string[] {
    return ["ip", "netns", "exec", this.#namespace(home)];
  }

  cutDirect(): void {
    ip("-n", this.#namespace("a"), "link", "set", this.#interface("a", "b"), "down");
  }

  healDirect(): void {
    ip("-n", this.#namespace("a"), "link", "set", this.#interface("a", "b"), "up");
  }

  remove(): void {
    for (const home of ["a", "b", "r"] as const) ip("netns", "del", this.#namespace(home));
  }

  #namespace(home: "a" | "b" | "r"): string {
    return `dt-${home}-${this.#id}`;
  }

  /** The end at `home` of its wire to `other`. */
  #interface(home: string, other: string): string {
    return `dt${home}${other}${this.#id}`;
  }

  #wire(one: "a" | "b", address: string, other: "b" | "r", otherAddress: string): void {
    const ends = [
      { home: one, name: this.#interface(one, other), address },
      { home: other, name: this.#interface(other, one), address: otherAddress },
    ] as const;
    ip("link", "add", ends[0].name, "type", "veth", "peer", "name", ends[1].name);
    for (const { home, name, address: own } of ends) {
      ip("link", "set", name, "netns", this.#namespace(home));
      ip("-n", this.#namespace(home), "addr", "add", own, "dev", name);
      ip("-n", this.#namespace(home), "link", "set", name, "up");
    }
  }
}
