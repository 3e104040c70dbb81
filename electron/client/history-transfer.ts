/**
 * Moves history in bulk between two devices of one user, over their direct channel. Whoever lacks it
 * asks for page after page from where its own ends: so it can stop and go on anywhere, and what does
 * not come from there comes from the relay.
 */
import type { Transfer } from "../../shared/client-api.js";
import type { ConversationId, DeviceId } from "../../shared/ids.js";
import type { SequencedEntry } from "../../shared/protocol.js";
import type { Timer } from "../../shared/runtime.js";
import type { Core } from "./core.js";
import { type DirectFrame, MAX_PAGE_ENTRIES } from "./direct-frames.js";
import type { DirectLink } from "./direct-link.js";
import type { DirectLinks } from "./direct-links.js";
import { addSequenced, skipTo } from "./entries.js";
import { MAX_DIRECT_FRAME_BYTES } from "./ports.js";
import type { PresenceBook } from "./presence.js";
import { keys, logRow, seqOfKey } from "./rows.js";

/** So many missing entries are worth asking another device; fewer come faster from the relay. */
export const BULK = 300;
/** How long a channel that is being opened, or not begun, is waited for. */
const OPENING_MS = 4_000;
/** How long a page may take before the device is taken for gone. */
const PAGE_MS = 8_000;
/** Bytes of payload in one page, which leaves room for what stands beside it. */
const PAGE_BYTES = MAX_DIRECT_FRAME_BYTES / 2;
/** What an entry takes besides its payload, at the most but for a change of members. */
const ENTRY_BYTES = 64;
/** How often progress is told. */
const TELL_MS = 250;
/** After the last page that was asked for, the other device is done. */
const SERVED_MS = 3_000;

type Ask = Extract<DirectFrame, { type: "getLog" }>;
type Page = Extract<DirectFrame, { type: "logPage" }>;

interface Running {
  readonly direction: Transfer["direction"];
  readonly deviceId: DeviceId;
  readonly startedAt: number;
  /** What was done when this device began to count. */
  readonly from: number;
  done: number;
  total: number;
}

export class HistoryTransfer {
  readonly #core: Core;
  readonly #links: DirectLinks;
  readonly #presence: PresenceBook;
  readonly #waiting = new Map<number, (page: Page | null) => void>();
  readonly #running = new Map<string, Running>();
  readonly #ends = new Map<string, Timer>();
  #request = 0;
  #telling: Timer | null = null;
  #received = 0;
  #expected = 0;

  constructor(core: Core, links: DirectLinks, presence: PresenceBook) {
    this.#core = core;
    this.#links = links;
    this.#presence = presence;
  }

  /** Fetches of a log what another own device has; resolves where it goes no further. */
  async fill(id: ConversationId, current: () => boolean): Promise<void> {
    const conversation = this.#core.state.conversation(id);
    const link = await this.#link(current);
    if (!link) return;
    this.#expected = Math.max(this.#expected, this.#received + this.#missing());
    let next = this.#ask(link, id, conversation.row.upTo + 1);
    while (current()) {
      const page = await next;
      const last = page?.entries.at(-1);
      if (!page || !last) break;
      // Asked for while this one is being stored.
      next = this.#ask(link, id, last.seq + 1);
      const before = conversation.row.upTo;
      await this.#core.journal.run(() => skipTo(this.#core, id, page.first - 1));
      await this.#core.journal.run(() => addSequenced(this.#core, id, page.entries));
      this.#received += conversation.row.upTo - before;
      this.#progress("receiving", link, this.#received, this.#expected);
      if (conversation.row.upTo === before) break;
    }
    // How far it came is told before that it is over.
    this.#ended("receiving", link, 2 * TELL_MS);
  }

  /** Frames of this kind are between the devices of one user alone. */
  async take(link: DirectLink, frame: Ask | Page): Promise<void> {
    if (link.peer.userId !== this.#core.state.self.userId) return;
    if (frame.type === "logPage") this.#waiting.get(frame.request)?.(frame);
    else await this.#serve(link, frame);
  }

  closed(link: DirectLink): void {
    for (const answer of [...this.#waiting.values()]) answer(null);
    for (const direction of ["receiving", "sending"] as const) this.#ended(direction, link, 0);
  }

  close(): void {
    this.#telling?.cancel();
    for (const timer of this.#ends.values()) timer.cancel();
    for (const answer of [...this.#waiting.values()]) answer(null);
  }

  /** What all logs lack that are worth a transfer. */
  #missing(): number {
    return [...this.#core.state.conversations.values()]
      .map(({ row }) => row.head - row.upTo)
      .filter((count) => count > BULK)
      .reduce((sum, count) => sum + count, 0);
  }

  /** An open channel to another own device; null where there is none within a moment. */
  async #link(current: () => boolean): Promise<DirectLink | null> {
    const { clock } = this.#core.ports;
    const { userId } = this.#core.state.self;
    const until = clock.monotonic() + OPENING_MS;
    while (current() && this.#links.enabled) {
      const [open] = this.#links.open(userId);
      if (open) return open;
      const there = this.#presence.devices(userId);
      if (there?.length === 0 || clock.monotonic() >= until) return null;
      for (const deviceId of there ?? []) this.#links.want({ userId, deviceId });
      await new Promise<void>((resolve) => {
        clock.after(50, resolve);
      });
    }
    return null;
  }

  #ask(link: DirectLink, conversationId: ConversationId, fromSeq: number): Promise<Page | null> {
    const request = ++this.#request;
    return new Promise((resolve) => {
      const settle = (page: Page | null) => {
        this.#waiting.delete(request);
        timer.cancel();
        resolve(page);
      };
      const timer = this.#core.ports.clock.after(PAGE_MS, () => settle(null));
      this.#waiting.set(request, settle);
      const done = this.#received;
      const total = this.#expected;
      link.send({ type: "getLog", request, conversationId, fromSeq, done, total });
    });
  }

  async #serve(link: DirectLink, ask: Ask): Promise<void> {
    const { request, conversationId, fromSeq, done, total } = ask;
    const entries = await this.#entries(conversationId, fromSeq);
    const first = entries[0]?.seq ?? fromSeq;
    link.send({ type: "logPage", request, conversationId, first, entries });
    if (entries.length > 0) this.#progress("sending", link, done, total);
    this.#ended("sending", link, SERVED_MS);
  }

  /** From that place on without a hole, as many as fit. */
  async #entries(id: ConversationId, fromSeq: number): Promise<SequencedEntry[]> {
    const conversation = this.#core.state.conversations.get(id);
    if (!conversation) return [];
    const { store } = this.#core.ports;
    const { upTo } = conversation.row;
    const limit = MAX_PAGE_ENTRIES;
    const rows = async (key: typeof keys.shown) =>
      store.range({ from: key(id, fromSeq), to: key(id, upTo + 1), limit });
    const all = [...(await rows(keys.shown)), ...(await rows(keys.quiet))]
      .map(({ key, value }) => ({ seq: seqOfKey(key), row: logRow.decode(value) }))
      .sort((a, b) => a.seq - b.seq);
    const page: SequencedEntry[] = [];
    let bytes = 0;
    for (const { seq, row } of all) {
      const previous = page.at(-1);
      if (page.length === limit || (previous && seq !== previous.seq + 1)) break;
      bytes += row.payload.length + ENTRY_BYTES + 64 * (row.membership?.adds.length ?? 0);
      if (previous && bytes > PAGE_BYTES) break;
      const { userId, deviceId, n, at, ttl, membership, payload } = row;
      page.push({ seq, userId, deviceId, n, at, ttl, membership, payload });
    }
    return page;
  }

  #progress(
    direction: Transfer["direction"],
    { peer: { deviceId } }: DirectLink,
    done: number,
    total: number,
  ): void {
    const key = `${direction}/${deviceId}`;
    const startedAt = this.#core.ports.clock.monotonic();
    const running = this.#running.get(key) ?? {
      ...{ direction, deviceId, startedAt, done, total },
      from: done,
    };
    this.#running.set(key, { ...running, done, total: Math.max(done, total) });
    this.#tellSoon();
  }

  #ended(direction: Transfer["direction"], { peer }: DirectLink, afterMs: number): void {
    const key = `${direction}/${peer.deviceId}`;
    this.#ends.get(key)?.cancel();
    if (!this.#running.has(key)) return;
    this.#ends.set(
      key,
      this.#core.ports.clock.after(afterMs, () => {
        this.#ends.delete(key);
        this.#running.delete(key);
        this.#tellSoon();
      }),
    );
  }

  #tellSoon(): void {
    this.#telling ??= this.#core.ports.clock.after(TELL_MS, () => {
      this.#telling = null;
      this.#core.events.emit("transfer.changed", { transfers: this.transfers });
    });
  }

  get transfers(): readonly Transfer[] {
    const now = this.#core.ports.clock.monotonic();
    return [...this.#running.values()].map(
      ({ direction, deviceId, startedAt, from, done, total }) => {
        const rate = (done - from) / Math.max(1, now - startedAt);
        const remainingMs = rate > 0 ? Math.round((total - done) / rate) : null;
        return { direction, deviceId, done, total, remainingMs };
      },
    );
  }
}
