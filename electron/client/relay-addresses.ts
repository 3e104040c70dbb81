/** Under which addresses the relay is found: the one that the host was given, and those that the relay told. */
import type { Random } from "../../shared/runtime.js";

export class RelayAddresses {
  readonly #given: string;
  readonly #random: Random;
  #told: readonly string[] = [];
  /** Those that did not serve since one last did. */
  readonly #failed = new Set<string>();

  constructor(given: string, random: Random) {
    this.#given = given;
    this.#random = random;
  }

  /** As the relay told them. One that is no address, or not as private as the given one, is left out. */
  learn(told: readonly string[]): void {
    const isPrivate = protocolOf(this.#given) === "wss:";
    this.#told = told.filter((address) => {
      const protocol = protocolOf(address);
      return protocol === "wss:" || (protocol === "ws:" && !isPrivate);
    });
  }

  /** Any of them, so that clients spread over the relay's nodes; one that failed when all others have, too. */
  next(): string {
    const all = [...new Set([this.#given, ...this.#told])];
    let open = all.filter((address) => !this.#failed.has(address));
    if (open.length === 0) {
      this.#failed.clear();
      open = all;
    }
    if (open.length === 1) return open[0] as string;
    return open[Math.floor(this.#random.fraction() * open.length)] as string;
  }

  served(): void {
    this.#failed.clear();
  }

  failed(address: string): void {
    this.#failed.add(address);
  }

  /** At a told address is another relay, whatever it says. The given one is the user's choice. */
  isAnothers(address: string): boolean {
    if (address === this.#given) return false;
    this.#told = this.#told.filter((each) => each !== address);
    return true;
  }
}

const protocolOf = (address: string): string | undefined => /^(wss?:)\/\/[^/]/.exec(address)?.[1];
