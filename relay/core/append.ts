import { sameBytes } from "../../shared/bytes.js";
import { DovetailError } from "../../shared/errors.js";
import type { ConversationId, DeviceId, UserId } from "../../shared/ids.js";
import { MAX_PAGE_BYTES } from "../../shared/limits.js";
import {
  type ClientFrame,
  entryBytes,
  type RelayFrame,
  relayFrames,
  type SequencedEntry,
} from "../../shared/protocol.js";
import type { Clock, Crypto } from "../../shared/runtime.js";
import type { Connections, Peer } from "./connections.js";
import type { Conversation } from "./conversation.js";
import type { Conversations } from "./conversations.js";
import type { WriteJob } from "./group-commit.js";
import type { People } from "./people.js";
import type { Metrics } from "./ports.js";
import type { Stage } from "./stage.js";

export interface AppendContext {
  readonly conversations: Conversations;
  readonly connections: Connections;
  readonly people: People;
  readonly clock: Clock;
  readonly crypto: Crypto;
  readonly metrics: Metrics;
}

type AppendFrame = Extract<ClientFrame, { type: "append" }>;

export class AppendJob implements WriteJob {
  readonly conversationId: ConversationId;
  readonly bytes: number;
  readonly #context: AppendContext;
  readonly #peer: Peer;
  readonly #frame: AppendFrame;
  readonly #done: () => void;
  readonly #failed: (error: DovetailError) => void;
  /** Whose device the origin is; known once checked. */
  #author: UserId | null = null;
  /** What the log has already of these entries, from the first on. */
  #known: readonly SequencedEntry[] = [];
  #added: readonly SequencedEntry[] = [];
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
    this.bytes = frame.payloads.reduce((sum, payload) => sum + payload.length, 0);
  }

  async prepare(): Promise<Conversation | null> {
    const { deviceId, firstN, payloads } = this.#frame;
    const { conversations } = this.#context;
    // Planned before in vain where this runs again.
    this.#added = [];
    const conversation = await conversations.ofMember(this.conversationId, this.#peer.userId);
    this.#author ??= await this.#check(conversation);

    const lastN = await conversations.lastN(conversation, deviceId);
    const toN = Math.min(lastN + 1, firstN + payloads.length);
    this.#known =
      toN > firstN ? await conversations.byOrigin(conversation, deviceId, firstN, toN) : [];
    this.#known.forEach((entry, i) => {
      if (!sameBytes(entry.payload, payloads[i] as Uint8Array)) {
        throw new DovetailError("origin_conflict", `Entry ${entry.n} has another content.`);
      }
    });
    if (this.#known.length < payloads.length) return conversation;
    this.#answer();
    return null;
  }

  /** Own entries need no signature: the connection has proved whose they are. */
  async #check(conversation: Conversation): Promise<UserId> {
    const { deviceId, firstN, payloads, signatures } = this.#frame;
    if (firstN === 0) throw new DovetailError("out_of_order", "n counts from 1.", { expected: 1 });
    if (deviceId === this.#peer.deviceId) return this.#peer.userId;
    const device = await this.#context.people.device(deviceId);
    if (!device) throw new DovetailError("unknown_device");
    if (!conversation.members.includes(device.userId)) {
      throw new DovetailError("not_a_member", "The entries' author is not a member.");
    }
    const valid = payloads.every((payload, i) => {
      const signed = entryBytes(conversation.id, deviceId, firstN + i, payload);
      const signature = signatures[i];
      return signature && this.#context.crypto.verify(device.publicKey, signed, signature);
    });
    if (!valid) throw new DovetailError("bad_signature");
    return device.userId;
  }

  plan(stage: Stage): boolean {
    const { deviceId, firstN, payloads } = this.#frame;
    const lastN = stage.lastN(deviceId);
    if (lastN === undefined) return false;
    if (firstN > lastN + 1) {
      throw new DovetailError("out_of_order", undefined, { expected: lastN + 1 });
    }
    // Another connection handed in the same entries meanwhile: compare with what it brought.
    if (firstN + this.#known.length !== lastN + 1) return false;
    const at = this.#context.clock.now();
    this.#added = payloads.slice(this.#known.length).map((payload, i) => ({
      seq: stage.head + 1 + i,
      userId: this.#author as UserId,
      deviceId,
      n: lastN + 1 + i,
      at,
      payload,
    }));
    for (const entry of this.#added) stage.append(entry);
    this.#firstEvent = stage.claimStamps(pages(this.#added).length);
    return true;
  }

  committed(stage: Stage, firstStamp: number): void {
    this.#answer();
    const { connections } = this.#context;
    pages(this.#added).forEach((page, i) => {
      const stamp = firstStamp + this.#firstEvent + i;
      const { conversationId } = this;
      const entries: RelayFrame = { type: "entries", stamp, conversationId, entries: page };
      const placed: RelayFrame = { type: "placed", stamp, conversationId, placements: page };
      const holders = new Set<DeviceId>([this.#frame.deviceId, ...this.#frame.heldBy]);
      connections.pushEach(
        stage.conversation.members,
        (peer) => (holders.has(peer.deviceId) ? placed : entries),
        this.#peer,
      );
    });
  }

  failed(error: DovetailError): void {
    this.#failed(error);
  }

  #answer(): void {
    const { requestId, deviceId, heldBy } = this.#frame;
    const places = [...this.#known, ...this.#added].map(({ seq, at }) => ({ seq, at }));
    // Here and not where the request came in, so that it goes out before later entries do.
    this.#peer.send(relayFrames.encode({ type: "appended", requestId, places }));
    const { metrics } = this.#context;
    const handedIn = deviceId !== this.#peer.deviceId;
    metrics.count("duplicates", this.#known.length);
    metrics.count("appended", this.#added.length);
    if (handedIn) metrics.count("handedIn", this.#added.length);
    if (handedIn || heldBy.length > 0) metrics.count("appendedDirect", this.#added.length);
    this.#done();
  }
}

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
