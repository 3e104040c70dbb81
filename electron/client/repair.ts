/**
 * Compares stored logs with the relay's and fetches what differs: the newest after an unclean end, one
 * when something of it does not fit, and now and then one for no reason.
 */
import { sameBytes } from "../../shared/bytes.js";
import { blockOf, digestOfStretch, piecesOf, placesOf, type Stretch } from "../../shared/digest.js";
import { DovetailError } from "../../shared/errors.js";
import type { ConversationId } from "../../shared/ids.js";
import { MAX_DIGEST_PIECES, MAX_ENTRIES } from "../../shared/limits.js";
import type { SequencedEntry } from "../../shared/protocol.js";
import type { Timer } from "../../shared/runtime.js";
import { backoffMs } from "./backoff.js";
import type { Core } from "./core.js";
import { storedDigest } from "./digest.js";
import { logAt } from "./find.js";
import type { RelayLink } from "./relay-link.js";
import { restore } from "./repair-rows.js";
import { keys } from "./rows.js";
import { sameOrigin } from "./state.js";

/**
 * Logs that are compared after an unclean end, the most recently active first: what a crash can tear
 * is the end of what was written.
 */
export const NEWEST = 8;
/** A few a day, of whatever is there. */
const RARELY_MS = 4 * 3_600_000;

/** Of which nothing can be had, now or later. */
const HOPELESS: ReadonlySet<string> = new Set(["not_found", "not_a_member"]);

export class Repair {
  readonly #core: Core;
  readonly #relay: RelayLink;
  readonly #fetched: (id: ConversationId) => Promise<void>;
  readonly #parted: (id: ConversationId) => void;
  /** At most as many as there are conversations. */
  readonly #due = new Set<ConversationId>();
  /** Counts connections, so that the work of an old one stops. */
  #generation = 0;
  #running = false;
  #level = false;
  /** Whether the mark of a clean end is still there. */
  #marked: boolean;
  #failures = 0;
  #timer: Timer | null = null;
  #rarely: Timer | null = null;

  constructor(
    core: Core,
    relay: RelayLink,
    parts: {
      /** Resolves when the log is here as far as the relay has told. */
      fetched(id: ConversationId): Promise<void>;
      /** The relay's log is another one: somebody has to find out from where on. */
      parted(id: ConversationId): void;
    },
  ) {
    this.#core = core;
    this.#relay = relay;
    this.#fetched = (id) => parts.fetched(id);
    this.#parted = (id) => parts.parted(id);
    const { endedCleanly } = core.state;
    this.#marked = endedCleanly;
    if (!endedCleanly) this.#doubtNewest();
    this.#unmark();
    this.#next();
  }

  /** Whether a history waits for being compared. */
  get isDue(): boolean {
    return this.#running || this.#due.size > 0;
  }

  /** A relay that was started anew may have been restored from a backup. */
  connected(run: Uint8Array): void {
    const { state } = this.#core;
    if (state.run && !sameBytes(state.run, run)) this.#doubtNewest();
    state.run = run;
  }

  #doubtNewest(): void {
    for (const { row } of this.#core.state.byActivity().slice(0, NEWEST)) {
      this.#due.add(row.conversationId);
    }
  }

  /** Something of the log does not fit. */
  suspect(id: ConversationId): void {
    this.#due.add(id);
    this.#run();
  }

  /** All that changed while away is known. */
  leveled(): void {
    this.#level = true;
    this.#unmark();
    this.#run();
  }

  disconnected(): void {
    this.#generation++;
    this.#level = false;
    this.#failures = 0;
    this.#timer?.cancel();
  }

  close(): void {
    this.disconnected();
    this.#rarely?.cancel();
  }

  /**
   * From now on an end is unclean until it is marked as none. Not waiting for the disk: without this
   * row's end nothing that was written after it is there either.
   */
  #unmark(): void {
    if (!this.#marked) return;
    this.#core.journal
      .run(() => ({
        writes: [{ type: "del" as const, key: keys.ended }],
        durable: false,
        apply: () => {
          this.#marked = false;
        },
      }))
      .catch((thrown: unknown) => {
        const { code } = DovetailError.from(thrown);
        this.#core.ports.log.warn("the mark of a clean end was not taken away", { code });
      });
  }

  #next(): void {
    this.#rarely = this.#core.ports.clock.after(RARELY_MS, () => {
      const all = [...this.#core.state.conversations.keys()];
      const any = all[Math.floor(this.#core.ports.random.fraction() * all.length)];
      if (any) this.suspect(any);
      this.#next();
    });
  }

  #run(): void {
    if (this.#running || !this.#level) return;
    this.#timer?.cancel();
    this.#running = true;
    const generation = this.#generation;
    this.#runAll(() => generation === this.#generation)
      .catch((thrown: unknown) => this.#failed(generation, thrown))
      .finally(() => {
        this.#running = false;
        // Connected anew while the old work was ending.
        if (generation !== this.#generation) this.#run();
      });
  }

  #failed(generation: number, thrown: unknown): void {
    const { code, message, retryAfterMs } = DovetailError.from(thrown);
    // The next connection begins anew.
    if (generation !== this.#generation || code === "relay_unreachable") return;
    const { clock, log, random } = this.#core.ports;
    const wait = Math.max(backoffMs(++this.#failures, random.fraction()), retryAfterMs ?? 0);
    log.warn("a history was not compared", { code, message, waitMs: wait });
    this.#timer = clock.after(wait, () => this.#run());
  }

  async #runAll(current: () => boolean): Promise<void> {
    for (const id of this.#due) {
      // Before it begins: what does not fit from now on is another reason.
      this.#due.delete(id);
      try {
        await this.#repair(id, current);
      } catch (thrown) {
        if (!HOPELESS.has(DovetailError.from(thrown).code)) {
          this.#due.add(id);
          throw thrown;
        }
      }
      if (!current()) {
        this.#due.add(id);
        return;
      }
      this.#failures = 0;
    }
  }

  async #repair(id: ConversationId, current: () => boolean): Promise<void> {
    let restored = 0;
    try {
      for await (const count of this.#compare(id, current)) restored += count;
    } finally {
      if (restored > 0) {
        const { log } = this.#core.ports;
        log.warn("entries were missing", { conversationId: id, entries: restored });
        this.#core.recount(this.#core.state.conversation(id));
      }
    }
  }

  /** Yields how many entries were missing in a piece. */
  async *#compare(id: ConversationId, current: () => boolean): AsyncGenerator<number> {
    await this.#fetched(id);
    const conversation = this.#core.state.conversation(id);
    const { crypto } = this.#core.ports;
    for (let next = 1; current() && next <= conversation.row.upTo; ) {
      const most = placesOf(blockOf(next) + MAX_DIGEST_PIECES - 1).to;
      const asked = { from: next, to: Math.min(conversation.row.upTo, most) };
      const own = await this.#digests(id, asked);
      const answer = await this.#relay.request("compareLog", {
        conversationId: id,
        fromSeq: asked.from,
        toSeq: asked.to,
        digest: digestOfStretch(crypto, own),
      });
      const compared = { from: answer.from, to: answer.to };
      // The relay has nothing of it for this user.
      const none = compared.from > compared.to;
      if (!none && (compared.from < asked.from || compared.to > asked.to)) {
        throw new DovetailError("unexpected_frame");
      }
      next = (none ? asked.to : compared.to) + 1;
      if (none || answer.pieces.length === 0) continue;
      const pieces = piecesOf(compared);
      if (pieces.length !== answer.pieces.length) throw new DovetailError("unexpected_frame");
      const whole = compared.from === asked.from && compared.to === asked.to;
      const stored = whole ? own : await this.#digests(id, compared);
      for (const [i, piece] of pieces.entries()) {
        if (!current()) return;
        if (sameBytes(stored[i] as Uint8Array, answer.pieces[i] as Uint8Array)) continue;
        yield* this.#fetch(id, piece, current);
      }
    }
  }

  async #digests(id: ConversationId, stretch: Stretch): Promise<Uint8Array[]> {
    const digests: Uint8Array[] = [];
    for (const piece of piecesOf(stretch)) digests.push(await storedDigest(this.#core, id, piece));
    return digests;
  }

  /** Fetches a piece that differs, and stores what is missing of it. */
  async *#fetch(
    id: ConversationId,
    piece: Stretch,
    current: () => boolean,
  ): AsyncGenerator<number> {
    for (let next = piece.from; next <= piece.to; ) {
      const page = await this.#relay.request("getEntries", {
        conversationId: id,
        fromSeq: next,
        limit: Math.min(MAX_ENTRIES, piece.to + 1 - next),
      });
      const entries = page.entries.filter(({ seq }) => seq >= next && seq <= piece.to);
      const last = entries.at(-1);
      if (!last || !current()) return;
      const { count, fork } = await this.#restore(id, entries, false);
      yield count;
      if (fork !== null) {
        if (!(await this.#endsAlike(id)) || !current()) {
          this.#parted(id);
          return;
        }
        yield (await this.#restore(id, entries, true)).count;
      }
      next = last.seq + 1;
    }
  }

  #restore(id: ConversationId, entries: readonly SequencedEntry[], overwrite: boolean) {
    return this.#core.journal.run(() => restore(this.#core, id, entries, overwrite));
  }

  /** Two logs that have parted never come together again: with the same end, it is one log. */
  async #endsAlike(id: ConversationId): Promise<boolean> {
    const { upTo } = this.#core.state.conversation(id).row;
    const request = { conversationId: id, fromSeq: upTo, limit: 1 };
    const { entries } = await this.#relay.request("getEntries", request);
    const own = await logAt(this.#core, id, upTo);
    const [entry] = entries;
    return own !== null && entry?.seq === upTo && sameOrigin(entry, own.row);
  }
}
