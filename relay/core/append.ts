import { sameBytes } from "../../shared/bytes.js";
import { DovetailError } from "../../shared/errors.js";
import type { ConversationId, DeviceId, Origin, UserId } from "../../shared/ids.js";
import { MAX_ENTRIES, MAX_PAGE_BYTES } from "../../shared/limits.js";
import {
  type ClientFrame,
  entryBytes,
  type HandedIn,
  type RelayFrame,
  relayFrames,
  type SequencedEntry,
} from "../../shared/protocol.js";
import type { Clock, Crypto } from "../../shared/runtime.js";
import { ENTRY_BYTES, UNDELIVERED_RETRY_MS } from "./bounds.js";
import type { Connections, Peer } from "./connections.js";
import type { Conversation } from "./conversation.js";
import type { Conversations } from "./conversations.js";
import type { WriteJob } from "./group-commit.js";
import type { Heat } from "./heat.js";
import { isOver } from "./lifetime.js";
import type { People } from "./people.js";
import type { Metrics, Placed } from "./ports.js";
import { covers } from "./spans.js";
import type { Stage } from "./stage.js";

export interface AppendContext {
  readonly conversations: Conversations;
  readonly connections: Connections;
  readonly people: People;
  readonly clock: Clock;
  readonly crypto: Crypto;
  readonly metrics: Metrics;
  readonly heat: Heat;
  /** Entries that nobody but their authors may have, in one conversation. */
  readonly undeliveredLimit: number;
}

type Place = Pick<SequencedEntry, "seq" | "at" | "rights">;
type AppendFrame = Extract<ClientFrame, { type: "append" }>;

export class AppendJob implements WriteJob {
  readonly conversationId: ConversationId;
  readonly bytes: number;
  readonly #context: AppendContext;
  readonly #peer: Peer;
  readonly #frame: AppendFrame;
  readonly #done: () => void;
  readonly #failed: (error: DovetailError) => void;
  /** What the log has already of these entries. */
  #known = new Map<string, Place>();
  readonly #authors = new Map<DeviceId, UserId>();
  #added = new Map<string, SequencedEntry>();
  #audience: readonly UserId[] = [];
  #firstEvent = 0;

  constructor(
    context: AppendContext,
    peer: Peer,
    frame: AppendFrame,
    done: () => void,
    failed: (error: DovetailError) => void,
  ) {
    this.#context = context;
    this.#peer = peer;
    this.#frame = frame;
    this.#done = done;
    this.#failed = failed;
    this.conversationId = frame.conversationId;
    this.bytes = frame.entries.reduce((sum, { payload }) => sum + payload.length + ENTRY_BYTES, 0);
  }

  async prepare(): Promise<Conversation | null> {
    const { conversations } = this.#context;
    const conversation = await conversations.ofReader(this.conversationId, this.#peer.userId);
    // Planned before in vain where this runs again.
    this.#added = new Map();
    this.#known = new Map();
    this.#authors.clear();
    for (const deviceId of new Set(this.#frame.entries.map((entry) => entry.deviceId))) {
      await this.#lookUp(conversation, deviceId);
    }
    if (this.#known.size < this.#frame.entries.length) return conversation;
    this.#answer();
    return null;
  }

  /** Finds what the log has of a device's entries, and checks those that it has not. */
  async #lookUp(conversation: Conversation, deviceId: DeviceId): Promise<void> {
    const { conversations } = this.#context;
    const entries = this.#frame.entries.filter((entry) => entry.deviceId === deviceId);
    const ns = new Set(entries.map(({ n }) => n));
    if (ns.size < entries.length)
      throw new DovetailError("out_of_order", "An entry is there twice.");
    const firstN = Math.min(...ns);
    if (firstN === 0) throw new DovetailError("out_of_order", "n counts from 1.", { expected: 1 });
    const lastN = await conversations.lastN(conversation, deviceId);
    if (firstN <= lastN) {
      const toN = Math.min(lastN, firstN + MAX_ENTRIES) + 1;
      const logged = await conversations.byOrigin(conversation, deviceId, firstN, toN);
      const own = conversation.spans(this.#peer.userId) ?? [];
      const visible = logged.filter(({ seq }) => covers(own, seq));
      for (const placed of visible) this.#recognise(conversation, entries, placed);
    }
    const unknown = entries.filter((entry) => !this.#known.has(keyOf(entry)));
    if (unknown.length === 0) return;
    // Somebody who has left still learns where its entries stand whose answer was lost.
    if (!conversation.has(this.#peer.userId)) throw new DovetailError("not_a_member");
    this.#authors.set(deviceId, await this.#authorOf(conversation, deviceId, unknown));
  }

  #recognise(
    conversation: Conversation,
    entries: readonly HandedIn[],
    { n, seq, at, entry: logged }: Placed,
  ): void {
    const entry = entries.find((each) => each.n === n);
    if (!entry) return;
    // What was deleted cannot be compared any more.
    const comparable = logged && !isOver(logged, this.#context.clock.now());
    if (comparable && !sameBytes(entry.payload, logged.payload)) {
      throw new DovetailError("origin_conflict", `Entry ${n} has another content.`);
    }
    // What somebody might do when they wrote what is no longer kept is not known any more.
    const rights = logged?.rights ?? (conversation.kind === "group" ? "write" : "change");
    this.#known.set(keyOf(entry), { seq, at, rights });
  }

  /** Own entries need no signature: the connection has proved whose they are. */
  async #authorOf(
    conversation: Conversation,
    deviceId: DeviceId,
    entries: readonly HandedIn[],
  ): Promise<UserId> {
    if (deviceId === this.#peer.deviceId) return this.#peer.userId;
    const device = await this.#context.people.device(deviceId);
    if (!device) throw new DovetailError("unknown_device");
    if (device.removed) throw new DovetailError("device_removed");
    if (!conversation.has(device.userId)) {
      throw new DovetailError("not_a_member", "The entries' author is not a member.");
    }
    const valid = entries.every(({ signature, ...entry }) => {
      const signed = entryBytes(conversation.id, deviceId, entry);
      return signature && this.#context.crypto.verify(device.publicKey, signed, signature);
    });
    if (!valid) throw new DovetailError("bad_signature");
    return device.userId;
  }

  plan(stage: Stage): boolean {
    const { conversation } = stage;
    const authors = [this.#peer.userId, ...this.#authors.values()];
    // Somebody has left since it was prepared.
    if (!authors.every((user) => conversation.has(user))) return false;
    const at = this.#context.clock.now();
    const planned = new Map<string, SequencedEntry>();
    const lastNs = new Map<DeviceId, number>();
    for (const { deviceId, n, ttl, payload } of this.#frame.entries) {
      const key = keyOf({ deviceId, n });
      if (this.#known.has(key)) continue;
      const lastN = lastNs.get(deviceId) ?? stage.lastN(deviceId);
      const userId = this.#authors.get(deviceId);
      // Another connection handed it in meanwhile: compare with what that brought.
      if (lastN === undefined || userId === undefined || n <= lastN) return false;
      if (n > lastN + 1) {
        throw new DovetailError("out_of_order", undefined, { expected: lastN + 1 });
      }
      lastNs.set(deviceId, n);
      const seq = stage.head + 1 + planned.size;
      const rights = conversation.rightsOf(userId);
      planned.set(key, { seq, userId, deviceId, n, at, ttl, rights, membership: null, payload });
    }
    this.#checkUndelivered(conversation, stage.head + planned.size);
    for (const entry of planned.values()) stage.append(entry);
    this.#added = planned;
    this.#audience = conversation.members;
    this.#firstEvent = stage.claimStampsForAll(pages([...planned.values()]).length);
    return true;
  }

  /**
   * Whoever writes and is never read must not fill the disk. That devices hold the entries is only what
   * the writer says; what they do hold, their own cursors say soon.
   */
  #checkUndelivered(conversation: Conversation, head: number): void {
    const since = head - this.#context.undeliveredLimit;
    if (since <= 0 || conversation.kind === "notes") return;
    const others = conversation.members.filter((user) => user !== this.#peer.userId);
    if (others.some((user) => conversation.cursor(user).deliveredUpTo >= since)) return;
    throw new DovetailError("overloaded", "Nobody takes what is there already.", {
      retryAfterMs: UNDELIVERED_RETRY_MS,
    });
  }

  committed(_stage: Stage, firstStamp: number): void {
    this.#answer();
    const { connections } = this.#context;
    const { heldBy } = this.#frame;
    pages([...this.#added.values()]).forEach((page, i) => {
      const stamp = firstStamp + this.#firstEvent + i;
      const { conversationId } = this;
      const entries: RelayFrame = { type: "entries", stamp, conversationId, entries: page };
      const placed: RelayFrame = { type: "placed", stamp, conversationId, placements: page };
      const [author, ...others] = new Set(page.map(({ deviceId }) => deviceId));
      const devices = new Set(others.length === 0 && author ? [...heldBy, author] : heldBy);
      connections.push(this.#audience, entries, this.#peer, { devices, frame: placed });
    });
  }

  failed(error: DovetailError): void {
    this.#failed(error);
  }

  #answer(): void {
    const { requestId, entries, heldBy } = this.#frame;
    const places = entries.map((entry) => {
      const key = keyOf(entry);
      const { seq, at, rights } = (this.#known.get(key) ?? this.#added.get(key)) as Place;
      return { seq, at, rights };
    });
    // Here and not where the request came in, so that it goes out before later entries do.
    this.#peer.send(relayFrames.encode({ type: "appended", requestId, places }));
    const { metrics, heat } = this.#context;
    const added = [...this.#added.values()];
    const foreign = added.filter(({ deviceId }) => deviceId !== this.#peer.deviceId).length;
    metrics.count("duplicates", this.#known.size);
    metrics.count("appended", added.length);
    heat.appended(this.conversationId, added.length);
    metrics.count("handedIn", foreign);
    metrics.count("appendedDirect", heldBy.length > 0 ? added.length : foreign);
    this.#done();
  }
}

const keyOf = ({ deviceId, n }: Origin): string => `${deviceId}.${n}`;

/** Cut so that each fits a frame: what fitted one append may not fit one push with its headers. */
function pages(entries: readonly SequencedEntry[]): SequencedEntry[][] {
  const cut: SequencedEntry[][] = [];
  let bytes = 0;
  for (const entry of entries) {
    bytes += entry.payload.length;
    const last = cut.at(-1);
    if (last && bytes <= MAX_PAGE_BYTES) last.push(entry);
    else {
      cut.push([entry]);
      bytes = entry.payload.length;
    }
  }
  return cut;
}
