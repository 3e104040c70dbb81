/** How the members of a group change: by one entry in each epoch, and all that hangs on it with it. */
import { DovetailError } from "../../shared/errors.js";
import type { ConversationId, UserId } from "../../shared/ids.js";
import { MESH_MEMBERS } from "../../shared/limits.js";
import { changed, type GroupChange, membershipN } from "../../shared/membership.js";
import {
  type ConversationState,
  type Person,
  type RelayFrame,
  relayFrames,
  type SequencedEntry,
} from "../../shared/protocol.js";
import type { Clock } from "../../shared/runtime.js";
import type { Acquaintances } from "./acquaintances.js";
import { MAX_NOTED_MEMBERS, MAX_SPANS } from "./bounds.js";
import type { Connections, Peer } from "./connections.js";
import type { Conversation } from "./conversation.js";
import { type Conversations, stateOf } from "./conversations.js";
import type { GroupCommit, WriteJob } from "./group-commit.js";
import type { LogChange, Metrics } from "./ports.js";
import type { PresenceBoard } from "./presence.js";
import { joinedAt, leftAt, type Span } from "./spans.js";
import type { Stage } from "./stage.js";

export interface RegroupContext {
  readonly conversations: Conversations;
  readonly connections: Connections;
  readonly acquaintances: Acquaintances;
  readonly presence: PresenceBoard;
  readonly commit: GroupCommit;
  readonly clock: Clock;
  readonly metrics: Metrics;
}

/** A change that is allowed in the epoch in which it was looked at. */
export interface Proposal {
  readonly conversation: Conversation;
  readonly epoch: number;
  readonly change: GroupChange;
  /** The conversation is not there yet. */
  readonly opens: boolean;
  readonly invite: LogChange["invite"];
}

export interface Regrouping {
  readonly conversationId: ConversationId;
  readonly payload: Uint8Array;
  /** Null where nothing has to be written. May be asked several times. */
  propose(): Promise<Proposal | null>;
  /** Goes out before anything that follows the change. */
  answer(entry: SequencedEntry, state: ConversationState): RelayFrame;
}

/** True once it is durable and answered; false where there was nothing to write. */
export function regroup(
  context: RegroupContext,
  peer: Peer,
  regrouping: Regrouping,
): Promise<boolean> {
  return new Promise((resolve, reject) => {
    context.commit.submit(new RegroupJob(context, peer, regrouping, resolve, reject));
  });
}

interface Planned {
  readonly entry: SequencedEntry;
  readonly joined: readonly UserId[];
  readonly audience: readonly UserId[];
  readonly firstEvent: number;
  readonly membersBefore: number;
}

class RegroupJob implements WriteJob {
  readonly conversationId: ConversationId;
  readonly bytes: number;
  readonly #context: RegroupContext;
  readonly #peer: Peer;
  readonly #regrouping: Regrouping;
  readonly #done: (written: boolean) => void;
  readonly #failed: (error: DovetailError) => void;
  #proposal: Proposal | null = null;
  #people: ReadonlyMap<UserId, Person> = new Map();
  #spans: ReadonlyMap<UserId, readonly Span[]> = new Map();
  #planned: Planned | null = null;

  constructor(
    context: RegroupContext,
    peer: Peer,
    regrouping: Regrouping,
    done: (written: boolean) => void,
    failed: (error: DovetailError) => void,
  ) {
    this.conversationId = regrouping.conversationId;
    this.bytes = regrouping.payload.length;
    this.#context = context;
    this.#peer = peer;
    this.#regrouping = regrouping;
    this.#done = done;
    this.#failed = failed;
  }

  async prepare(): Promise<Conversation | null> {
    const { conversations } = this.#context;
    this.#proposal = await this.#regrouping.propose();
    if (!this.#proposal) {
      this.#done(false);
      return null;
    }
    const { conversation, change, opens } = this.#proposal;
    // Everything is read before it is written, so that nothing is awaited between commit and push.
    this.#people = await conversations.people([
      ...new Set([...conversation.members, ...change.adds]),
    ]);
    if (!change.adds.every((user) => this.#people.has(user))) {
      throw new DovetailError("not_found", "There is no such user.");
    }
    const concerned = opens ? [] : [...new Set([...change.adds, ...change.removes])];
    const spans = await Promise.all(
      concerned.map((user) => conversations.spans(conversation, user)),
    );
    this.#spans = new Map(concerned.map((user, i) => [user, spans[i] as readonly Span[]]));
    return conversation;
  }

  plan(stage: Stage): boolean {
    const proposal = this.#proposal as Proposal;
    const { conversation } = stage;
    const { epoch, opens, change, invite } = proposal;
    if (conversation.group.epoch !== epoch) return false;
    if (opens && conversation !== proposal.conversation) return false;
    const entry = this.#entry(stage.head + 1, epoch + 1, change);
    const group = changed(conversation.group, change);
    const after = new Set(group.members.map(({ userId }) => userId));
    const joined = [...after].filter((user) => !conversation.has(user));
    const left = conversation.members.filter((user) => !after.has(user));
    const spansOf = (user: UserId) => this.#spans.get(user) ?? [];
    const spans = new Map([
      ...joined.map((user) => [user, joinedAt(spansOf(user), entry.seq, MAX_SPANS)] as const),
      ...left.map((user) => [user, leftAt(spansOf(user), entry.seq)] as const),
    ]);
    const membersBefore = conversation.members.length;
    const audience =
      joined.length > 0 ? [...conversation.members, ...joined] : conversation.members;
    if (opens) stage.open();
    stage.append(entry);
    stage.regroup({ group, spans, invite });
    for (const user of joined) this.#begin(stage, user, entry.seq - 1);
    const isCrowd = after.size > MAX_NOTED_MEMBERS;
    if (isCrowd) stage.tellCrowd(conversation.isCrowd ? joined : [...after]);
    // Who has left is no longer told by the group.
    const firstEvent = stage.claimStamps(joined.length > 0 ? 2 : 1, isCrowd ? left : audience);
    this.#planned = { entry, joined, audience, firstEvent, membersBefore };
    return true;
  }

  /** What was written before somebody joined does not wait for them: nobody's receipt runs back. */
  #begin(stage: Stage, user: UserId, before: number): void {
    const cursor = stage.cursor(user);
    if (cursor.readUpTo >= before) return;
    const deliveredUpTo = Math.max(cursor.deliveredUpTo, before);
    stage.move(user, { ...cursor, deliveredUpTo, readUpTo: before });
  }

  #entry(seq: number, epoch: number, change: GroupChange): SequencedEntry {
    const { userId, deviceId } = this.#peer;
    const { payload } = this.#regrouping;
    const adds = [...new Set(change.adds)].map((user) => this.#people.get(user) as Person);
    return {
      seq,
      userId,
      deviceId,
      n: membershipN(epoch),
      at: this.#context.clock.now(),
      ttl: 0,
      rights: "moderate",
      membership: { ...change, epoch, adds },
      payload,
    };
  }

  committed({ conversation }: Stage, firstStamp: number): void {
    const { connections, acquaintances, presence, metrics } = this.#context;
    const { entry, joined, audience, firstEvent, membersBefore } = this.#planned as Planned;
    const { id: conversationId } = conversation;
    const state = stateOf(conversation, this.#people, entry.seq);
    metrics.count("membershipChanges");
    acquaintances.groupsChanged(audience);
    this.#peer.send(relayFrames.encode(this.#regrouping.answer(entry, state)));
    this.#done(true);
    // To whoever asked, too: were the answer lost and what follows not, its device would be past it.
    let stamp = firstStamp + firstEvent;
    if (joined.length > 0) {
      connections.push(joined, { type: "conversation", stamp: stamp++, conversation: state });
    }
    connections.push(audience, { type: "entries", stamp, conversationId, entries: [entry] });
    // Only in a small group do the members see each other by it.
    if (Math.min(membersBefore, conversation.members.length) <= MESH_MEMBERS) {
      presence.reconsider(audience);
    }
  }

  failed(error: DovetailError): void {
    this.#failed(error);
  }
}
