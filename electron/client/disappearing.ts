/**
 * Deletes messages whose time is up: counted from when the relay took them, by its clock, so that a
 * device whose own clock is wrong deletes them when everybody does.
 */
import { DovetailError } from "../../shared/errors.js";
import { type ConversationId, messageIdOf } from "../../shared/ids.js";
import { fromSortable, sortable, type Write } from "../../shared/key-value.js";
import type { Timer } from "../../shared/runtime.js";
import { encodeContent } from "./content.js";
import { announce, type Core, putTail, unchanged } from "./core.js";
import { logAt } from "./find.js";
import type { Change } from "./journal.js";
import { keys, logRow, skewRow } from "./rows.js";
import { readTail, replace, type TailEntry } from "./state.js";

const SWEEP_MS = 15_000;
/** Clocks drift apart by less without anybody noticing. */
const TOLERATED_MS = 1_000;
/** Entries in one change. */
const STEP = 200;
const NOTHING = new Uint8Array();

export class Disappearing {
  readonly #core: Core;
  /** What the relay said its time was, and when (monotonic). */
  #told: { readonly relayNow: number; readonly at: number } | null = null;
  #timer: Timer | null = null;
  #closed = false;

  constructor(core: Core) {
    this.#core = core;
    this.#next();
  }

  /** The relay told what time it is. */
  async see(relayNow: number): Promise<void> {
    this.#told = { relayNow, at: this.#core.ports.clock.monotonic() };
    await this.sweep();
  }

  /** Both clocks go on, but this device's wall clock may be set meanwhile. */
  async #compare(): Promise<void> {
    if (!this.#told) return;
    const { clock } = this.#core.ports;
    const { relayNow, at } = this.#told;
    const skew = Math.round(relayNow + clock.monotonic() - at - clock.now());
    if (Math.abs(skew - this.#core.state.skew) <= TOLERATED_MS) return;
    await this.#core.journal.run(() => skewed(this.#core, skew));
  }

  sweep(): Promise<void> {
    return this.#tried(async () => {
      await this.#compare();
      while (!this.#closed && (await this.#core.journal.run(() => logged(this.#core))) === STEP);
      if (!this.#closed) await this.#core.journal.run(() => waiting(this.#core));
    });
  }

  /** The next sweep tries again. */
  async #tried(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      const { code } = DovetailError.from(error);
      this.#core.ports.log.warn("messages did not disappear", { code });
    }
  }

  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
  }

  #next(): void {
    this.#timer = this.#core.ports.clock.after(SWEEP_MS, () => {
      void this.sweep().then(() => {
        if (!this.#closed) this.#next();
      });
    });
  }
}

const skewed = (core: Core, skew: number): Change<void> => ({
  writes: [
    {
      type: "put",
      key: keys.skew,
      value: skewRow.encode({ ahead: Math.max(0, skew), behind: Math.max(0, -skew) }),
    },
  ],
  durable: false,
  apply: () => {
    core.state.skew = skew;
  },
});

/** Entries of logs. Their places stay, so that the log has no holes; their contents go. */
async function logged(core: Core): Promise<Change<number>> {
  const relayNow = core.ports.clock.now() + core.state.skew;
  const due = await core.ports.store.range({
    from: keys.expiries,
    to: `${keys.expiries}${sortable(Math.max(0, relayNow + 1))}`,
    limit: STEP,
  });
  if (due.length === 0) return unchanged(0);
  const writes: Write[] = [];
  const gone: { conversationId: ConversationId; messageId: ReturnType<typeof messageIdOf> }[] = [];
  for (const { key } of due) {
    const [, , id, at] = key.split("/") as [string, string, ConversationId, string];
    const seq = fromSortable(at);
    const found = await logAt(core, id, seq);
    writes.push({ type: "del", key });
    if (!found?.shown) continue;
    const row = { ...found.row, marks: null, payload: NOTHING };
    writes.push({ type: "del", key: keys.shown(id, seq) });
    writes.push({ type: "put", key: keys.quiet(id, seq), value: logRow.encode(row) });
    gone.push({ conversationId: id, messageId: messageIdOf(id, found.row) });
  }
  return {
    writes,
    apply() {
      for (const each of gone) core.events.emit("message.removed", each);
      for (const id of new Set(gone.map(({ conversationId }) => conversationId))) {
        const conversation = core.state.conversations.get(id);
        if (conversation) core.recount(conversation);
      }
      return due.length;
    },
  };
}

/**
 * Entries that wait for their place. They keep it, because their device's later ones follow them, but
 * an own one is sent without what it said, and another's is what its signature says: it is not shown
 * any more, and goes when it has its place.
 */
function waiting(core: Core): Change<void> {
  const now = core.ports.clock.now();
  const due = [...core.state.conversations.values()].flatMap((conversation) =>
    conversation.tail
      .filter(({ ttl, at, shown }) => shown && ttl > 0 && at + ttl * 1000 <= now)
      .map((entry) => ({ conversation, entry })),
  );
  const own = due.filter(({ entry }) => entry.deviceId === core.state.account?.deviceId);
  const emptied = own.map(({ conversation, entry }) => ({ conversation, entry: empty(entry) }));
  return {
    writes: emptied.map(({ conversation, entry }) =>
      putTail(conversation.row.conversationId, entry),
    ),
    apply() {
      for (const { conversation, entry } of emptied) replace(conversation.tail, entry);
      for (const { conversation, entry } of own) {
        const { conversationId } = conversation.row;
        const messageId = messageIdOf(conversationId, entry);
        core.events.emit("message.removed", { conversationId, messageId });
        announce(core, conversation);
      }
    },
  };
}

const empty = (entry: TailEntry): TailEntry => {
  const { clock, sentAt } = entry.content;
  const payload = encodeContent({ clock, sentAt, body: { type: "gone" } });
  return readTail({ ...entry, marks: null, payload });
};
