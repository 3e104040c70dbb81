import type { DeviceId, UserId } from "../../shared/ids.js";
import type { SequencedEntry } from "../../shared/protocol.js";
import type { Conversation } from "./conversation.js";
import type { Cursor, LogChange } from "./ports.js";

/** What one commit does to one conversation, while it is being planned. */
export class Stage {
  readonly conversation: Conversation;
  readonly #entries: SequencedEntry[] = [];
  readonly #cursors = new Map<UserId, Cursor>();
  readonly #lastN = new Map<DeviceId, number>();
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

  cursor(user: UserId): Cursor {
    return this.#cursors.get(user) ?? this.conversation.cursor(user);
  }

  append(entry: SequencedEntry): void {
    this.#entries.push(entry);
    this.#lastN.set(entry.deviceId, entry.n);
  }

  move(user: UserId, cursor: Cursor): void {
    this.#cursors.set(user, cursor);
  }

  open(): void {
    this.#opens = true;
  }

  get opens(): boolean {
    return this.#opens;
  }

  /** Reserves stamps and gives the place of the first among those of the change. */
  claimStamps(count: number): number {
    const first = this.#events;
    this.#events += count;
    return first;
  }

  /** Null where nothing would be written. */
  change(): LogChange | null {
    if (!this.#opens && this.#entries.length === 0 && this.#cursors.size === 0) return null;
    const { id, kind, head, members } = this.conversation;
    return {
      conversationId: id,
      expectedHead: head,
      opens: this.#opens ? { kind } : null,
      entries: this.#entries,
      cursors: this.#cursors,
      members,
      events: this.#events,
    };
  }

  committed(): void {
    this.conversation.committed(this.#entries, this.#cursors);
  }
}
