import type { ConversationId, UserId } from "../../shared/ids.js";
import { MESH_MEMBERS } from "../../shared/limits.js";
import type { Crypto } from "../../shared/runtime.js";
import { MAX_CACHED_PEOPLE } from "./bounds.js";
import type { Conversations } from "./conversations.js";
import { directOf } from "./direct-of.js";
import { type Lifetime, Lru } from "./lru.js";
import type { Directory, LogStore } from "./ports.js";

/** Tells the other nodes of the relay, where there are any. */
export type TellUsers = (users: readonly UserId[]) => void;

/** Who may see whom: people who talk to each other and have not blocked each other. */
export class Acquaintances {
  readonly #logs: LogStore;
  readonly #directory: Directory;
  readonly #conversations: Conversations;
  readonly #crypto: Crypto;
  readonly #groups: Remembered<ReadonlySet<ConversationId>>;
  readonly #blocked: Remembered<ReadonlySet<UserId>>;
  /** Pairs that have a direct conversation: it has these two members for good. */
  readonly #talking = new Lru<string, true>(MAX_CACHED_PEOPLE);
  readonly #tell: TellUsers | null;

  constructor(
    ports: { logs: LogStore; directory: Directory; crypto: Crypto },
    conversations: Conversations,
    tell: TellUsers | null,
    lifetime: Lifetime | null,
  ) {
    this.#tell = tell;
    this.#logs = ports.logs;
    this.#directory = ports.directory;
    this.#crypto = ports.crypto;
    this.#conversations = conversations;
    this.#groups = new Remembered(
      async (user) => new Set(await this.#logs.groupsOf(user)),
      lifetime,
    );
    this.#blocked = new Remembered(
      async (user) => new Set(await this.#directory.blockedBy(user)),
      lifetime,
    );
  }

  /** Whether the two have a direct conversation or a group that is small enough for a mesh. */
  async acquainted(a: UserId, b: UserId): Promise<boolean> {
    if (a === b || (await this.#talk(a, b))) return true;
    const [ofA, ofB] = await Promise.all([this.#groups.of(a), this.#groups.of(b)]);
    const [fewer, more] = ofA.size < ofB.size ? [ofA, ofB] : [ofB, ofA];
    for (const id of fewer) {
      if (!more.has(id)) continue;
      const group = await this.#conversations.look(id);
      if (group && group.members.length <= MESH_MEMBERS) return true;
    }
    return false;
  }

  async #talk(a: UserId, b: UserId): Promise<boolean> {
    const pair = [a, b].sort().join();
    if (this.#talking.get(pair)) return true;
    const look = (id: ConversationId) => this.#conversations.look(id);
    const { there } = await directOf(this.#crypto, look, a, b);
    if (there) this.#talking.set(pair, true);
    return there !== null;
  }

  /** Whether the asker sees that user's presence. */
  async sees(asker: UserId, user: UserId): Promise<boolean> {
    if (!(await this.acquainted(asker, user))) return false;
    return !(await this.#blocked.of(user)).has(asker);
  }

  blockedBy(user: UserId): Promise<ReadonlySet<UserId>> {
    return this.#blocked.of(user);
  }

  blocksChanged(user: UserId): void {
    this.#blocked.forget(user);
    this.#tell?.([user]);
  }

  groupsChanged(users: readonly UserId[]): void {
    for (const user of users) this.#groups.forget(user);
    this.#tell?.(users);
  }

  /** Another node has told it: of these users, all is asked for anew. */
  forget(users: readonly UserId[]): void {
    for (const user of users) {
      this.#blocked.forget(user);
      this.#groups.forget(user);
    }
  }

  /** Nodes have come or gone: what they told may be missing. */
  forgetAll(): void {
    this.#blocked.forgetAll();
    this.#groups.forgetAll();
  }
}

/** What the store says of users, read once, or once in a while. */
class Remembered<V> {
  readonly #read: (user: UserId) => Promise<V>;
  readonly #known: Lru<UserId, V>;
  readonly #reading = new Map<UserId, Promise<V>>();

  constructor(read: (user: UserId) => Promise<V>, lifetime: Lifetime | null) {
    this.#read = read;
    this.#known = new Lru(MAX_CACHED_PEOPLE, lifetime);
  }

  async of(user: UserId): Promise<V> {
    const known = this.#known.get(user) ?? this.#reading.get(user);
    if (known) return known;
    const reading = this.#read(user);
    this.#reading.set(user, reading);
    try {
      const value = await reading;
      // Forgotten meanwhile: what was read may be older than what changed.
      if (this.#reading.get(user) === reading) this.#known.set(user, value);
      return value;
    } finally {
      if (this.#reading.get(user) === reading) this.#reading.delete(user);
    }
  }

  forgetAll(): void {
    this.#known.clear();
    this.#reading.clear();
  }

  forget(user: UserId): void {
    this.#known.delete(user);
    this.#reading.delete(user);
  }
}
