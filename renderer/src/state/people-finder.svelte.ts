import type { UserSummary } from "../../../shared/client-api.js";
import type { Host } from "../host-contract.js";
import { normalHandle } from "../text/handle.js";
import { failureWords } from "../text/words.js";

const DEBOUNCE_MS = 160;
const MAX_SHOWN = 20;

/** People by what is typed: those one already talks to, then whoever the relay knows. */
export class PeopleFinder {
  readonly #host: Host;
  readonly #known: () => readonly UserSummary[];
  typed = $state("");
  /** Where the arrow keys are among what is shown; -1 before they or any text point anywhere. */
  active = $state(-1);
  failure = $state<string | null>(null);
  #found = $state.raw<readonly UserSummary[]>([]);
  /** The prefix that was answered last; null before the first answer. */
  #answered = $state<string | null>(null);
  readonly prefix = $derived(normalHandle(this.typed));
  /** Those one talks to are found by any part of their name. */
  readonly results = $derived.by(() => {
    if (this.prefix === "") return [];
    const known = this.#known().filter((user) =>
      `${user.handle}\n${user.displayName.toLowerCase()}`.includes(this.prefix),
    );
    const matching = this.#found.filter(({ handle }) => handle.startsWith(this.prefix));
    const byHandle = new Map([...known, ...matching].map((user) => [user.handle, user]));
    return [...byHandle.values()].slice(0, MAX_SHOWN);
  });
  readonly nobody = $derived(
    this.results.length === 0 && this.#answered === this.prefix && this.failure === null,
  );

  constructor(host: Host, known: () => readonly UserSummary[]) {
    this.#host = host;
    this.#known = known;
  }

  /** For an effect: asks the relay once typing pauses; gives what stops that. */
  search(): (() => void) | undefined {
    const wanted = this.prefix;
    this.active = wanted === "" ? -1 : 0;
    this.failure = null;
    if (wanted === "") {
      this.#found = [];
      this.#answered = null;
      return undefined;
    }
    const timer = setTimeout(() => void this.#ask(wanted), DEBOUNCE_MS);
    return () => clearTimeout(timer);
  }

  move(by: 1 | -1, shown: readonly UserSummary[]): void {
    this.active = Math.max(0, Math.min(this.active + by, shown.length - 1));
  }

  async #ask(wanted: string): Promise<void> {
    try {
      const users = await this.#host.call("users.search", { prefix: wanted, limit: MAX_SHOWN });
      if (wanted !== this.prefix) return;
      this.#found = users;
      this.#answered = wanted;
    } catch (thrown) {
      if (wanted === this.prefix) this.failure = failureWords(thrown);
    }
  }
}
