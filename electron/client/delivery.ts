/**
 * Brings own entries to the others: direct first, log always. An entry goes over every open direct
 * channel at once. Its append to the log follows in a batch while every recipient's device has it,
 * and at once as soon as one is found that has not.
 *
 * An append brings along what others wrote before these entries and what came here directly, in the
 * order in which it is shown: so the log keeps the order in which people talked, and nothing moves
 * on the screen when the seqs arrive.
 */
import { DovetailError, type ErrorCode } from "../../shared/errors.js";
import type { ConversationId, DeviceId, UserId } from "../../shared/ids.js";
import { MESH_MEMBERS } from "../../shared/limits.js";
import { entryBytes } from "../../shared/protocol.js";
import type { Timer } from "../../shared/runtime.js";
import { backoffMs } from "./backoff.js";
import { batchOf, handedIn, holdersOf, placements } from "./batch.js";
import type { Core } from "./core.js";
import type { DirectLink } from "./direct-link.js";
import type { DirectLinks } from "./direct-links.js";
import { addSequenced, holdOwn } from "./entries.js";
import type { Pace } from "./pace.js";
import type { DeviceKey } from "./ports.js";
import type { PresenceBook } from "./presence.js";
import type { RelayLink } from "./relay-link.js";
import type { ConversationRow } from "./rows.js";
import { type ClientState, type Conversation, type TailEntry, unplaced } from "./state.js";

/** How long entries that everybody has may wait for others to share their append. */
const BATCH_MS = 2_000;
/** So many of them do not wait. */
const BATCH_ENTRIES = 50;
/** How long a direct channel may take to acknowledge before the relay is asked as well. */
const ACK_MS = 1_000;
/** How long an entry waits for a channel that is just being opened, or for presence to be known. */
const OPENING_MS = 1_500;
/** Entries on their way on one channel; more wait here, where they take no buffer twice. */
const MAX_UNACKNOWLEDGED = 64;

/** How often to look whether all is sent. */
const SETTLE_MS = 50;

/** Refusals that speak of the entries and not of the relay's state. */
const ABOUT_ENTRIES: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  "bad_signature",
  "device_removed",
  "not_a_member",
  "origin_conflict",
  "out_of_order",
  "unknown_device",
]);

/**
 * With whom the entries of a conversation are exchanged directly: all members of a small one, and of
 * any the own other devices.
 */
export const meshed = (state: ClientState, row: ConversationRow): readonly UserId[] =>
  row.members.length > MESH_MEMBERS ? [state.self.userId] : row.members.map(({ userId }) => userId);

/**
 * Whom own entries may be given directly. Members are known before the log is: what waits here may
 * stand in it already, from before somebody of them came, who may not have it.
 */
const entitled = (state: ClientState, row: ConversationRow): readonly UserId[] =>
  row.kind === "group" && row.head > row.upTo ? [state.self.userId] : meshed(state, row);

/** What is going on with one conversation's entries; all of it can be found out again. */
interface Course {
  /** An append is on its way: the next waits, for the order's sake. */
  appending: boolean;
  /** Bring own entries only. */
  alone: boolean;
  failures: number;
  /** Not before this; monotonic. */
  pausedUntil: number;
  /** Not before this by the relay's word, which a new connection does not change; monotonic. */
  toldUntil: number;
  /** Until then nothing waits for company; monotonic. */
  hurriedUntil: number;
  timer: Timer | null;
  /** When an entry was first looked at, by n. */
  readonly seen: Map<number, number>;
  /** When an entry was sent to a device and not acknowledged yet; `declined` is −Infinity. */
  readonly sent: Map<DeviceId, Map<number, number>>;
}

export class Delivery {
  readonly #core: Core;
  readonly #relay: RelayLink;
  readonly #links: DirectLinks;
  readonly #presence: PresenceBook;
  readonly #key: DeviceKey;
  readonly #pace: Pace;
  readonly #suspect: (id: ConversationId) => void;
  readonly #placed: (id: ConversationId) => void;
  readonly #courses = new Map<ConversationId, Course>();
  #connectedAt = 0;

  constructor(
    core: Core,
    parts: {
      relay: RelayLink;
      links: DirectLinks;
      presence: PresenceBook;
      key: DeviceKey;
      pace: Pace;
      /** An append gave others' entries their places too: there may be a receipt to send. */
      placed: (id: ConversationId) => void;
      /** The relay does not know entries that it had acknowledged. */
      suspect: (id: ConversationId) => void;
    },
  ) {
    this.#core = core;
    this.#relay = parts.relay;
    this.#links = parts.links;
    this.#presence = parts.presence;
    this.#key = parts.key;
    this.#pace = parts.pace;
    this.#suspect = parts.suspect;
    this.#placed = parts.placed;
  }

  /** The relay is there (again). */
  connected(): void {
    this.#connectedAt = this.#core.ports.clock.monotonic();
    for (const course of this.#courses.values()) {
      course.failures = 0;
      course.pausedUntil = course.toldUntil;
      course.alone = false;
      // So that not both sides bring at once what they wrote while the relay was away.
      course.seen.clear();
    }
    this.pushAll();
  }

  pushAll(): void {
    for (const conversation of this.#core.state.conversations.values()) this.push(conversation);
  }

  /**
   * Brings what waits for its place without waiting for company. Resolves when nothing own does any more,
   * or after a while; true where nothing does.
   */
  async settled(conversation: Conversation, ms: number): Promise<boolean> {
    const { clock, state } = { ...this.#core.ports, state: this.#core.state };
    const until = clock.monotonic() + ms;
    if (unplaced(conversation, state.self.deviceId).length > 0) {
      this.#course(conversation.row.conversationId).hurriedUntil = until;
      this.push(conversation);
    }
    while (unplaced(conversation, state.self.deviceId).length > 0) {
      if (clock.monotonic() >= until) return false;
      await new Promise<void>((resolve) => void clock.after(SETTLE_MS, resolve));
    }
    return true;
  }

  /** Sends what can be sent now, and sets a timer for the rest. To be called when anything changed. */
  push(conversation: Conversation): void {
    const id = conversation.row.conversationId;
    // Who has left a group keeps what was not sent in time: nobody would take it.
    const entries = this.#core.state.own(conversation.row)
      ? unplaced(conversation, this.#core.state.self.deviceId)
      : [];
    const course = this.#course(id);
    course.timer?.cancel();
    course.timer = null;
    if (entries.length === 0) {
      if (!course.appending) this.#courses.delete(id);
      return;
    }
    const now = this.#core.ports.clock.monotonic();
    for (const entry of entries) if (!course.seen.has(entry.n)) course.seen.set(entry.n, now);
    this.#sendDirectly(conversation, entries, course);
    if (!this.#relay.connected || course.appending) return;

    const dues = entries.map((entry) => this.#due(conversation, entry, course, now));
    const last = dues.findLastIndex((due) => due.at <= now);
    if (now >= course.pausedUntil && last >= 0) {
      let count = last + 1;
      while (dues[count]?.held) count++;
      void this.#append(conversation, entries.slice(0, count), course);
      return;
    }
    const next = Math.max(course.pausedUntil, Math.min(...dues.map((due) => due.at)));
    course.timer = this.#core.ports.clock.after(Math.max(1, next - now), () => {
      this.push(conversation);
    });
  }

  async stored(link: DirectLink, id: ConversationId, ns: readonly number[]): Promise<void> {
    const sent = this.#courses.get(id)?.sent.get(link.peer.deviceId);
    for (const n of ns) sent?.delete(n);
    await this.#core.journal.run(() => holdOwn(this.#core, id, ns, link.peer));
    this.push(this.#core.state.conversation(id));
  }

  declined(link: DirectLink, id: ConversationId, n: number): void {
    this.#courses.get(id)?.sent.get(link.peer.deviceId)?.set(n, Number.NEGATIVE_INFINITY);
    this.push(this.#core.state.conversation(id));
  }

  /** What was on its way on a channel that ended has to go another one. */
  ended(link: DirectLink): void {
    for (const course of this.#courses.values()) course.sent.delete(link.peer.deviceId);
  }

  close(): void {
    for (const course of this.#courses.values()) course.timer?.cancel();
    this.#courses.clear();
  }

  #course(id: ConversationId): Course {
    let course = this.#courses.get(id);
    if (!course) {
      course = {
        appending: false,
        alone: false,
        failures: 0,
        pausedUntil: 0,
        toldUntil: 0,
        hurriedUntil: 0,
        timer: null,
        seen: new Map(),
        sent: new Map(),
      };
      this.#courses.set(id, course);
    }
    return course;
  }

  #sendDirectly(conversation: Conversation, entries: readonly TailEntry[], course: Course): void {
    const { row } = conversation;
    const { deviceId } = this.#core.state.self;
    const now = this.#core.ports.clock.monotonic();
    for (const userId of entitled(this.#core.state, row)) {
      for (const link of this.#links.open(userId)) {
        const sent = course.sent.get(link.peer.deviceId) ?? new Map<number, number>();
        course.sent.set(link.peer.deviceId, sent);
        for (const { n, ttl, payload, heldBy } of entries) {
          if (sent.size >= MAX_UNACKNOWLEDGED) break;
          if (sent.has(n) || heldBy.some((holder) => holder.deviceId === link.peer.deviceId))
            continue;
          sent.set(n, now);
          const signature = this.#key.sign(
            entryBytes(row.conversationId, deviceId, { n, ttl, payload }),
          );
          const { conversationId } = row;
          link.send({ type: "entry", conversationId, n, ttl, payload, signature });
        }
      }
    }
  }

  /** When an entry has to go to the log, and whether every recipient's device has it by now. */
  #due(
    conversation: Conversation,
    entry: TailEntry,
    course: Course,
    now: number,
  ): { at: number; held: boolean } {
    const seen = course.seen.get(entry.n) ?? now;
    // However many there are, the relay is told once.
    if (conversation.row.members.length > MESH_MEMBERS) return { at: now, held: false };
    let held = true;
    let anybody = false;
    // Whoever wrote the first of what waits brings it all: the others leave them the time to.
    const first = conversation.tail.find((waiting) => waiting.seq === 0);
    const batchMs = this.#pace.stretched(BATCH_MS);
    const patience = first?.deviceId === entry.deviceId ? batchMs : 2 * batchMs;
    const isBatch = course.seen.size >= BATCH_ENTRIES || now < course.hurriedUntil;
    let at = isBatch ? now : seen + patience;
    for (const { userId: user } of conversation.row.members) {
      // Other devices of one's own are served as well, but need not be there.
      const own = user === this.#core.state.self.userId;
      const linked = this.#links.all.filter((link) => link.peer.userId === user);
      const online = this.#presence.devices(user);
      if (online === null && linked.length === 0) {
        if (own) continue;
        anybody = true;
        held = false;
        at = Math.min(at, Math.max(seen, this.#connectedAt) + OPENING_MS);
        continue;
      }
      const devices = new Set([...(online ?? []), ...linked.map((link) => link.peer.deviceId)]);
      if (devices.size === 0) {
        if (own) continue;
        return { at: now, held: false };
      }
      anybody = true;
      for (const device of devices) {
        if (entry.heldBy.some((holder) => holder.deviceId === device)) continue;
        held = false;
        at = Math.min(at, this.#patience(device, entry.n, course, now));
      }
    }
    return anybody ? { at, held } : { at: now, held: false };
  }

  /** Until when a device that has not acknowledged an entry may still do so directly. */
  #patience(device: DeviceId, n: number, course: Course, now: number): number {
    const link = this.#links.to(device);
    if (link?.state === "open") {
      // One entry without an answer puts the channel in doubt for all that follow it.
      const sent = course.sent.get(device);
      return Math.min(sent?.get(n) ?? now, ...(sent?.values() ?? [])) + ACK_MS;
    }
    return link?.state === "connecting" && link.hopeful ? link.startedAt + OPENING_MS : now;
  }

  async #append(
    conversation: Conversation,
    own: readonly TailEntry[],
    course: Course,
  ): Promise<void> {
    const { conversationId } = conversation.row;
    const startedAt = this.#core.ports.clock.monotonic();
    course.appending = true;
    try {
      const batch = await batchOf(this.#core, conversation, own, !course.alone);
      const entries = batch.map(handedIn);
      const answer = await this.#relay.request("append", {
        conversationId,
        entries,
        heldBy: holdersOf(batch, this.#core.state.self.deviceId),
      });
      const placed = placements(entries, answer.places);
      await this.#core.journal.run(() => addSequenced(this.#core, conversationId, placed));
      this.#placed(conversationId);
      course.failures = 0;
      for (const { n } of batch) course.seen.delete(n);
    } catch (thrown) {
      const error = DovetailError.from(thrown);
      // It may be an entry of somebody else that the relay does not take: go on without those.
      course.alone ||= ABOUT_ENTRIES.has(error.code);
      // Own entries are brought in their order: if one before them is missing, the log has lost it.
      if (error.code === "out_of_order") this.#suspect(conversationId);
      this.#pause(course, error);
    } finally {
      this.#pace.took(this.#core.ports.clock.monotonic() - startedAt);
      course.appending = false;
      this.push(conversation);
    }
  }

  /** The outbox never gives up: it waits and tries again. */
  #pause(course: Course, error: DovetailError): void {
    // The next connection begins anew.
    if (error.code === "relay_unreachable") return;
    const { clock, random, log } = this.#core.ports;
    course.failures++;
    const told = error.retryAfterMs ?? 0;
    const wait = Math.max(backoffMs(course.failures, random.fraction()), told);
    course.pausedUntil = clock.monotonic() + wait;
    course.toldUntil = clock.monotonic() + told;
    log.warn("an append was refused", { code: error.code, expected: error.expected, waitMs: wait });
  }
}
