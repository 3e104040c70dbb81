import type { DeviceId, UserId } from "../../shared/ids.js";
import { type Group, isMembershipN } from "../../shared/membership.js";
import type { SequencedEntry } from "../../shared/protocol.js";
import type { Conversation } from "./conversation.js";
import type { LogChange, StoredCursor } from "./ports.js";

/** What one commit does to one conversation, while it is being planned. */
export class Stage {
  readonly conversation: Conversation;
  readonly #entries: SequencedEntry[] = [];
  readonly #cursors = new Map<UserId, StoredCursor>();
  readonly #lastN = new Map<DeviceId, number>();
  readonly #notedLists = new Set<readonly UserId[]>();
  #regrouping: Regrouping | null = null;
  #crowd: readonly UserId[] | null = null;
  #opens = false;
  #events = 0;

  constructor(conversation: Conversation) {
    this.conversation = conversation;
  }

  get head(): number {
    return this.conversation.head + this.#entries.length;
  }

  /** Undefined where it must be looked up first. */
  lastN(device: DeviceId): number | undefined {
    return this.#lastN.get(device) ?? this.conversation.lastN(device);
  }

  cursor(user: UserId): StoredCursor {
    return this.#cursors.get(user) ?? this.conversation.cursor(user);
  }

  append(entry: SequencedEntry): void {
    this.#entries.push(entry);
    if (!isMembershipN(entry.n)) this.#lastN.set(entry.deviceId, entry.n);
  }

  move(user: UserId, cursor: StoredCursor): void {
    this.#cursors.set(user, cursor);
  }

  open(): void {
    this.#opens = true;
  }

  get opens(): boolean {
    return this.#opens;
  }

  /** Who is a member changes in this commit: what follows waits for the next. */
  get regroups(): boolean {
    return this.#regrouping !== null;
  }

  regroup(regrouping: Regrouping): void {
    this.#regrouping = regrouping;
  }

  /** Reserves stamps for what these users will see; gives the place of the first in the change. */
  claimStamps(count: number, users: readonly UserId[]): number {
    const first = this.#events;
    this.#events += count;
    if (count > 0) this.#notedLists.add(users);
    return first;
  }

  /** As {@link claimStamps}, for what all members will see. */
  claimStampsForAll(count: number): number {
    const { isCrowd, members } = this.conversation;
    if (isCrowd && count > 0) this.tellCrowd([]);
    return this.claimStamps(count, isCrowd ? [] : members);
  }

  /** All members find the change by the group itself; to these, that it is so is new. */
  tellCrowd(newTo: readonly UserId[]): void {
    this.#crowd = newTo.length > 0 ? newTo : (this.#crowd ?? []);
  }

  /** Null where nothing would be written. */
  change(): LogChange | null {
    const regrouping = this.#regrouping;
    if (!this.#opens && this.#entries.length === 0 && this.#cursors.size === 0) return null;
    const { id, kind, head, group } = this.conversation;
    const [noted = [], ...more] = this.#notedLists;
    return {
      conversationId: id,
      expectedHead: head,
      opens: this.#opens ? { kind } : null,
      entries: this.#entries,
      cursors: this.#cursors,
      group: regrouping?.group ?? (this.#opens ? group : null),
      spans: regrouping?.spans ?? new Map(),
      invite: regrouping?.invite ?? null,
      noted: more.length === 0 ? noted : [...new Set([...noted, ...more.flat()])],
      crowd: this.#crowd && { newTo: this.#crowd },
      events: this.#events,
    };
  }
}

interface Regrouping extends Pick<LogChange, "spans" | "invite"> {
  readonly group: Group;
}
