/**
 * Moves history in bulk between two devices of one user, over their direct channel. Whoever lacks it
 * asks for page after page from where its own ends: so it can stop and go on anywhere, and what does
 * not come from there comes from the relay.
 */
import type { Transfer } from "../../shared/client-api.js";
import type { ConversationId } from "../../shared/ids.js";
import type { SequencedEntry } from "../../shared/protocol.js";
import type { Core } from "./core.js";
import { type DirectFrame, MAX_PAGE_ENTRIES } from "./direct-frames.js";
import type { DirectLink } from "./direct-link.js";
import type { DirectLinks } from "./direct-links.js";
import { addSequenced, skipTo } from "./entries.js";
import { TransferProgress } from "./history-transfer-progress.js";
import { MAX_DIRECT_FRAME_BYTES } from "./ports.js";
import type { PresenceBook } from "./presence.js";
import { keys, logRow, seqOfKey } from "./rows.js";

/** So many missing entries are worth asking another device; fewer come faster from the relay. */
export const BULK = 300;
/** How often to look whether the channel is open. */
const LOOK_MS = 50;
/** How long a page may take before the device is taken for gone. */
const PAGE_MS = 8_000;
/** Pages that may wait to be stored: each is asked for when the one before it has come. */
const WINDOW = 4;
/** Bytes of payload in one page, which leaves room for what stands beside it. */
const PAGE_BYTES = MAX_DIRECT_FRAME_BYTES / 2;
/** What an entry takes besides its payload, at the most but for a change of members. */
const ENTRY_BYTES = 64;
/** After the last page that was asked for, the other device is done. */
const SERVED_MS = 3_000;

type Ask = Extract<DirectFrame, { type: "getLog" }>;
type Page = Extract<DirectFrame, { type: "logPage" }>;

/** What a page is asked of. */
interface Waiting {
  readonly link: DirectLink;
  settle(page: Page | null): void;
}

export class HistoryTransfer {
  readonly #core: Core;
  readonly #links: DirectLinks;
  readonly #presence: PresenceBook;
  readonly #progress: TransferProgress;
  readonly #waiting = new Map<number, Waiting>();
  #request = 0;
  /** Of all logs that are filled one after the other or at once. */
  #received = 0;
  #expected = 0;

  constructor(core: Core, links: DirectLinks, presence: PresenceBook) {
    this.#core = core;
    this.#links = links;
    this.#presence = presence;
    this.#progress = new TransferProgress(core);
  }

  /**
   * Fetches of a log what another own device has; resolves where it goes no further. `patienceMs` is
   * how long a channel that is being opened is waited for.
   */
  async fill(id: ConversationId, patienceMs: number, current: () => boolean): Promise<void> {
    if (!(await this.#reach(patienceMs, current))) return;
    if (!this.#progress.runs("receiving")) {
      this.#received = 0;
      this.#expected = 0;
    }
    this.#expected = Math.max(this.#expected, this.#received + this.#missing());
    await this.#fill(id, current);
  }

  async #fill(id: ConversationId, current: () => boolean): Promise<void> {
    const conversation = this.#core.state.conversation(id);
    const begin = await this.#begin(id, conversation.row.upTo + 1);
    if (!begin) return;
    const { link } = begin;
    const after = async (earlier: Promise<Page | null>): Promise<Page | null> => {
      const last = (await earlier)?.entries.at(-1);
      return last && current() ? this.#ask(link, id, last.seq + 1) : null;
    };
    let newest: Promise<Page | null> = Promise.resolve(begin.page);
    const ahead = [newest];
    while (current()) {
      // They come while those before them are being stored.
      while (ahead.length <= WINDOW) {
        newest = after(newest);
        ahead.push(newest);
      }
      const page = await ahead.shift();
      if (!page || page.entries.length === 0) break;
      const { first, entries } = page;
      const before = conversation.row.upTo;
      const quiet = this.#expected > BULK;
      await this.#core.journal.run(() => skipTo(this.#core, id, first - 1));
      await this.#core.journal.run(() => addSequenced(this.#core, id, entries, { quiet }));
      if (conversation.row.upTo === before) break;
      this.#received += entries.length;
      this.#moved("receiving", link, this.#received, this.#expected);
    }
    this.#progress.ended("receiving", link.peer.deviceId, 0);
  }

  /** A few entries are there before anybody has read how many they are. */
  #moved(
    direction: Transfer["direction"],
    { peer }: DirectLink,
    done: number,
    total: number,
  ): void {
    if (total > BULK) this.#progress.moved(direction, peer.deviceId, done, total);
  }

  /** The first page, of the device whose log begins earliest: one may lack what another has. */
  async #begin(
    id: ConversationId,
    fromSeq: number,
  ): Promise<{ link: DirectLink; page: Page } | null> {
    const links = this.#links.open(this.#core.state.self.userId);
    // Without a total: whoever is not chosen has no transfer to show.
    const pages = await Promise.all(
      links.map(async (link) => ({ link, page: await this.#ask(link, id, fromSeq, 0) })),
    );
    return pages.reduce<{ link: DirectLink; page: Page } | null>((best, { link, page }) => {
      if (!page || page.entries.length === 0) return best;
      return !best || page.first < best.page.first ? { link, page } : best;
    }, null);
  }

  /** Frames of this kind are between the devices of one user alone. */
  async take(link: DirectLink, frame: Ask | Page): Promise<void> {
    if (link.peer.userId !== this.#core.state.self.userId) return;
    if (frame.type === "getLog") {
      await this.#serve(link, frame);
      return;
    }
    const waiting = this.#waiting.get(frame.request);
    if (waiting?.link === link) waiting.settle(isWhole(frame) ? frame : null);
  }

  closed(link: DirectLink): void {
    for (const waiting of [...this.#waiting.values()]) {
      if (waiting.link === link) waiting.settle(null);
    }
    for (const direction of ["receiving", "sending"] as const) {
      this.#progress.ended(direction, link.peer.deviceId, 0);
    }
  }

  close(): void {
    this.#progress.close();
    for (const { settle } of [...this.#waiting.values()]) settle(null);
  }

  /** What all logs lack that are worth a transfer. */
  #missing(): number {
    return [...this.#core.state.conversations.values()]
      .map(({ row }) => row.head - row.upTo)
      .filter((count) => count > BULK)
      .reduce((sum, count) => sum + count, 0);
  }

  /** Whether there is an open channel to another own device, or is one within that time. */
  async #reach(patienceMs: number, current: () => boolean): Promise<boolean> {
    const { clock } = this.#core.ports;
    const { userId } = this.#core.state.self;
    const until = clock.monotonic() + patienceMs;
    while (current() && this.#links.enabled) {
      if (this.#links.open(userId).length > 0) return true;
      const there = this.#presence.devices(userId);
      if (there?.length === 0 || clock.monotonic() >= until) return false;
      for (const deviceId of there ?? []) this.#links.want({ userId, deviceId });
      await new Promise<void>((resolve) => {
        clock.after(LOOK_MS, resolve);
      });
    }
    return false;
  }

  #ask(
    link: DirectLink,
    conversationId: ConversationId,
    fromSeq: number,
    total = this.#expected,
  ): Promise<Page | null> {
    const request = ++this.#request;
    return new Promise((resolve) => {
      const settle = (page: Page | null) => {
        this.#waiting.delete(request);
        timer.cancel();
        resolve(page);
      };
      const timer = this.#core.ports.clock.after(PAGE_MS, () => settle(null));
      this.#waiting.set(request, { link, settle });
      const done = this.#received;
      link.send({ type: "getLog", request, conversationId, fromSeq, done, total });
    });
  }

  async #serve(link: DirectLink, ask: Ask): Promise<void> {
    const { request, conversationId, fromSeq, done, total } = ask;
    const entries = await this.#entries(conversationId, fromSeq);
    const first = entries[0]?.seq ?? fromSeq;
    link.send({ type: "logPage", request, conversationId, first, entries });
    if (entries.length > 0) this.#moved("sending", link, done, total);
    this.#progress.ended("sending", link.peer.deviceId, SERVED_MS);
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
      const { userId, deviceId, n, at, ttl, rights, membership, payload } = row;
      page.push({ seq, userId, deviceId, n, at, ttl, rights, membership, payload });
    }
    return page;
  }
}

/** Without a hole from its first entry on, as the other device has promised. */
const isWhole = ({ first, entries }: Page): boolean =>
  entries.every(({ seq }, i) => seq === first + i);
