/** The direct path: when to open channels, and what arrives on them. */
import { DovetailError } from "../../shared/errors.js";
import type { ConversationId, UserId } from "../../shared/ids.js";
import { MAX_ENTRIES } from "../../shared/limits.js";
import { entryBytes } from "../../shared/protocol.js";
import type { Timer } from "../../shared/runtime.js";
import type { Core } from "./core.js";
import { type Delivery, meshed } from "./delivery.js";
import type { DirectFrame } from "./direct-frames.js";
import type { DirectLink } from "./direct-link.js";
import type { DirectLinks } from "./direct-links.js";
import { addDirect } from "./entries.js";
import type { HistoryTransfer } from "./history-transfer.js";
import type { PresenceBook } from "./presence.js";
import { moveMember, type ReadMark, readDirectly } from "./receipts.js";
import type { Conversation } from "./state.js";
import type { Sync } from "./sync.js";
import type { Typing } from "./typing.js";

type EntryFrame = Extract<DirectFrame, { type: "entry" }>;

/** A conversation in which something happened so lately is worth a channel without being asked. */
const ACTIVE_MS = 10 * 60_000;
/** From the loss of a working channel to the next attempt. */
const REBUILD_MS = 500;
/** Entries of one channel that wait to be stored; the sender keeps at most 64 on their way. */
const MAX_WAITING = 256;

export class DirectPath {
  readonly #core: Core;
  readonly #links: DirectLinks;
  readonly #presence: PresenceBook;
  readonly #delivery: Delivery;
  readonly #sync: Sync;
  readonly #typing: Typing;
  readonly #transfer: HistoryTransfer;
  /** What a channel brought is handled in its order. */
  readonly #queues = new Map<DirectLink, { waiting: number; last: Promise<void> }>();
  readonly #timers = new Set<Timer>();

  constructor(
    core: Core,
    parts: {
      links: DirectLinks;
      presence: PresenceBook;
      delivery: Delivery;
      sync: Sync;
      typing: Typing;
      transfer: HistoryTransfer;
    },
  ) {
    this.#core = core;
    this.#links = parts.links;
    this.#presence = parts.presence;
    this.#delivery = parts.delivery;
    this.#sync = parts.sync;
    this.#typing = parts.typing;
    this.#transfer = parts.transfer;
  }

  /** This conversation is in use: have channels to those who are online. */
  reach(conversation: Conversation): void {
    for (const userId of meshed(this.#core.state, conversation.row)) {
      if (this.#core.state.isBlocked(userId)) continue;
      for (const deviceId of this.#presence.devices(userId) ?? []) {
        this.#links.want({ userId, deviceId });
      }
    }
  }

  /** Somebody came or went: have a channel if there is something going on between us. */
  presenceChanged(user: UserId): void {
    const since = this.#core.ports.clock.now() - ACTIVE_MS;
    for (const conversation of this.#core.state.conversations.values()) {
      if (!conversation.row.members.some((member) => member.userId === user)) continue;
      if (conversation.row.activity >= since) this.reach(conversation);
      this.#delivery.push(conversation);
    }
  }

  opened(link: DirectLink): void {
    this.#presence.announce(link.peer.userId);
    this.#delivery.pushAll();
  }

  closed(link: DirectLink): void {
    this.#queues.delete(link);
    this.#transfer.closed(link);
    this.#delivery.ended(link);
    this.#presence.announce(link.peer.userId);
    this.#delivery.pushAll();
    if (!link.wasOpen) return;
    const timer = this.#core.ports.clock.after(REBUILD_MS, () => {
      this.#timers.delete(timer);
      this.presenceChanged(link.peer.userId);
    });
    this.#timers.add(timer);
  }

  frame(link: DirectLink, frame: DirectFrame): void {
    const queue = this.#queues.get(link) ?? { waiting: 0, last: Promise.resolve() };
    this.#queues.set(link, queue);
    if (++queue.waiting > MAX_WAITING) {
      link.close("closing");
      return;
    }
    queue.last = queue.last
      .then(() => this.#handle(link, frame))
      .catch((error: unknown) => {
        // Nothing of it was acknowledged, so the other side still has it and takes the relay.
        const { code } = DovetailError.from(error);
        this.#core.ports.log.warn("a direct frame was not taken", { type: frame.type, code });
      })
      .finally(() => {
        queue.waiting--;
      });
  }

  /** Tells those who wrote what was just read, and all how far. */
  tellRead(conversation: Conversation, mark: ReadMark): void {
    const { conversationId } = conversation.row;
    for (const user of this.#core.state.others(conversation.row)) {
      for (const link of this.#links.open(user)) {
        const theirs = mark.origins.filter(({ deviceId }) => deviceId === link.peer.deviceId);
        const last = theirs.reduce((most, { n }) => Math.max(most, n), 0);
        const origins = last > 0 ? [{ deviceId: link.peer.deviceId, n: last }] : [];
        link.send({ type: "read", conversationId, readUpTo: mark.readUpTo, origins });
      }
    }
  }

  close(): void {
    for (const timer of this.#timers) timer.cancel();
  }

  async #handle(link: DirectLink, frame: DirectFrame): Promise<void> {
    if (!("conversationId" in frame)) return;
    if (frame.type === "getLog" || frame.type === "logPage") {
      await this.#transfer.take(link, frame);
      return;
    }
    const { conversationId } = frame;
    if (frame.type === "entry") {
      await this.#receive(link, frame);
      return;
    }
    const conversation = this.#memberOf(link, conversationId);
    if (!conversation) return;
    if (frame.type === "stored") await this.#delivery.stored(link, conversationId, frame.ns);
    else if (frame.type === "declined") this.#delivery.declined(link, conversationId, frame.n);
    else if (frame.type === "typing") {
      this.#typing.hear(conversationId, link.peer.userId, frame.active);
    } else await this.#read(link, conversation, frame.readUpTo, frame.origins);
  }

  async #receive(link: DirectLink, frame: EntryFrame): Promise<void> {
    const { conversationId, n, ttl, payload, signature } = frame;
    const { userId, deviceId } = link.peer;
    let conversation = this.#memberOf(link, conversationId);
    if (!conversation && !this.#core.state.conversations.has(conversationId)) {
      // It can be newer than what the relay has told so far.
      await this.#sync.learn(conversationId).catch(() => undefined);
      conversation = this.#memberOf(link, conversationId);
    }
    const genuine =
      link.publicKey !== null &&
      n > 0 &&
      this.#core.ports.crypto.verify(
        link.publicKey,
        entryBytes(conversationId, deviceId, { n, ttl, payload }),
        signature,
      );
    if (!conversation || !genuine) {
      link.send({ type: "declined", conversationId, n });
      return;
    }
    const entry = { userId, deviceId, n, ttl, payload, signature };
    await this.#core.journal.run(() => addDirect(this.#core, conversationId, entry));
    // Not awaited: entries that follow are stored meanwhile and share the write.
    this.#core.journal.flush().then(
      () => link.send({ type: "stored", conversationId, ns: [n] }),
      (error: unknown) => {
        this.#core.ports.log.warn("an entry is not on disk", {
          code: DovetailError.from(error).code,
        });
      },
    );
  }

  async #read(
    link: DirectLink,
    conversation: Conversation,
    readUpTo: number,
    origins: readonly { deviceId: string; n: number }[],
  ): Promise<void> {
    const { userId } = link.peer;
    const { conversationId, upTo } = conversation.row;
    // A word about entries that this device does not have yet is the relay's to give.
    const seq = Math.min(readUpTo, upTo);
    const cursor = { userId, deliveredUpTo: seq, readUpTo: seq };
    await this.#core.journal.run(() => moveMember(this.#core, conversationId, cursor));
    for (const { deviceId, n } of origins.slice(0, MAX_ENTRIES)) {
      if (deviceId !== this.#core.state.self.deviceId) continue;
      await this.#core.journal.run(() => readDirectly(this.#core, conversationId, userId, n));
    }
  }

  /** The conversation, where the other side is a member of it. */
  #memberOf(link: DirectLink, id: ConversationId): Conversation | undefined {
    const conversation = this.#core.state.conversations.get(id);
    const member = conversation?.row.members.some(({ userId }) => userId === link.peer.userId);
    // Of a group that this user has left nothing is taken any more.
    return member && conversation && this.#core.state.own(conversation.row)
      ? conversation
      : undefined;
  }
}
