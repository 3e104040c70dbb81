/**
 * Hands entries of other devices in to the log that came here directly and that their sender has not
 * brought there: it may never come back. Origin makes it safe to do so at the same time as the
 * sender, and its signature lets the relay believe it.
 */
import { DovetailError } from "../../shared/errors.js";
import type { ConversationId, DeviceId } from "../../shared/ids.js";
import { MAX_ENTRIES } from "../../shared/limits.js";
import type { Timer } from "../../shared/runtime.js";
import { handedIn, placements } from "./batch.js";
import type { Core } from "./core.js";
import { addSequenced } from "./entries.js";
import type { Pace } from "./pace.js";
import type { PresenceBook } from "./presence.js";
import type { RelayLink } from "./relay-link.js";
import type { Conversation, TailEntry } from "./state.js";

/** How often to look. */
const SWEEP_MS = 2_000;
/** How long a sender may take that is connected, and one that is not. */
const PATIENCE_MS = 15_000;
const PATIENCE_GONE_MS = 4_000;
/** Of all that wait for the same sender, one is to be the first, and the others to hear of the place. */
const SPREAD_MS = 4_000;
/** After a refusal: what came before may be missing in the log, or the sender may be on its way. */
const REFUSED_MS = 30_000;

export class HandIn {
  readonly #core: Core;
  readonly #relay: RelayLink;
  readonly #presence: PresenceBook;
  readonly #pace: Pace;
  readonly #placed: (id: ConversationId) => void;
  #timer: Timer | null = null;
  /** When an entry was first seen waiting, and a while at random, by conversation, device and n; monotonic. */
  #waiting = new Map<string, number>();
  readonly #refused = new Map<string, number>();

  constructor(
    core: Core,
    relay: RelayLink,
    presence: PresenceBook,
    pace: Pace,
    placed: (id: ConversationId) => void,
  ) {
    this.#core = core;
    this.#relay = relay;
    this.#presence = presence;
    this.#pace = pace;
    this.#placed = placed;
  }

  start(): void {
    this.#timer = this.#core.ports.clock.after(SWEEP_MS, () => {
      void this.#sweep().finally(() => {
        if (this.#timer) this.start();
      });
    });
  }

  close(): void {
    this.#timer?.cancel();
    this.#timer = null;
  }

  async #sweep(): Promise<void> {
    if (!this.#relay.connected) {
      // While the relay is away a sender has no chance either.
      this.#waiting.clear();
      return;
    }
    const { clock, random } = this.#core.ports;
    const now = clock.monotonic();
    const waiting = new Map<string, number>();
    for (const conversation of [...this.#core.state.conversations.values()]) {
      for (const run of runs(conversation)) {
        const first = run[0] as TailEntry;
        const key = `${conversation.row.conversationId}/${first.deviceId}`;
        const since = this.#waiting.get(`${key}/${first.n}`) ?? now + random.fraction() * SPREAD_MS;
        waiting.set(`${key}/${first.n}`, since);
        const there = this.#presence.devices(first.userId)?.includes(first.deviceId) ?? true;
        const due = since + (there ? PATIENCE_MS : this.#pace.stretched(PATIENCE_GONE_MS));
        if (now < due || now < (this.#refused.get(key) ?? 0)) continue;
        await this.#handIn(conversation, run, key);
      }
    }
    this.#waiting = waiting;
  }

  async #handIn(conversation: Conversation, run: readonly TailEntry[], key: string): Promise<void> {
    const { clock, log } = this.#core.ports;
    const { conversationId } = conversation.row;
    try {
      const entries = run.map(handedIn);
      const answer = await this.#relay.request("append", { conversationId, entries, heldBy: [] });
      const placed = placements(entries, answer.places);
      await this.#core.journal.run(() => addSequenced(this.#core, conversationId, placed));
      this.#placed(conversationId);
    } catch (thrown) {
      const { code, retryAfterMs = 0 } = DovetailError.from(thrown);
      log.info("a hand-in was refused", { code });
      this.#refused.set(key, clock.monotonic() + Math.max(REFUSED_MS, retryAfterMs));
    }
  }
}

/** Per device, the first entries without a hole between them that wait for their place. */
function runs({ tail }: Conversation): TailEntry[][] {
  const byDevice = new Map<DeviceId, TailEntry[]>();
  const waiting = tail
    .filter((entry) => entry.signature !== null && entry.seq === 0)
    .sort((a, b) => a.n - b.n);
  for (const entry of waiting) {
    const run = byDevice.get(entry.deviceId) ?? [];
    byDevice.set(entry.deviceId, run);
    const follows = run.length === 0 || entry.n === (run.at(-1) as TailEntry).n + 1;
    if (follows && run.length < MAX_ENTRIES / 4) run.push(entry);
  }
  return [...byDevice.values()];
}
