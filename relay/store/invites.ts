import type { ConversationId } from "../../shared/ids.js";
import { type KeyValue, under, type Write } from "../../shared/key-value.js";
import type { InviteStore, StoredInvite } from "../core/ports.js";
import { keys, rows } from "./rows.js";
import type { Serial } from "./serial.js";

export class KvInviteStore implements InviteStore {
  readonly #kv: KeyValue;
  /** The logs' own: a commit takes uses of invites. */
  readonly #serial: Serial;

  constructor(kv: KeyValue, serial: Serial) {
    this.#kv = kv;
    this.#serial = serial;
  }

  async find(code: string): Promise<StoredInvite | null> {
    const stored = await this.#kv.get(keys.invite(code));
    return stored ? rows.invite.decode(keys.invite(code), stored) : null;
  }

  async of(id: ConversationId): Promise<readonly StoredInvite[]> {
    const found = await this.#kv.range(under(keys.invitesOf(id)));
    const invites = await Promise.all(
      found.map(({ key }) => this.find(key.slice(keys.invitesOf(id).length))),
    );
    return invites.filter((invite) => invite !== null);
  }

  add(
    invite: StoredInvite,
    max: number,
    dead: (invite: StoredInvite) => boolean,
  ): Promise<StoredInvite | "too_many_invites"> {
    return this.#serial.run(async () => {
      const known = await this.find(invite.code);
      if (known) return known;
      const { conversationId: id, code } = invite;
      const others = await this.of(id);
      const gone = others.filter(dead);
      if (others.length - gone.length >= max) return "too_many_invites";
      await this.#kv.batch([
        ...gone.flatMap((each) => removal(id, each.code)),
        { type: "put", key: keys.invite(code), value: rows.invite.encode(invite) },
        { type: "put", key: keys.inviteOf(id, code), value: rows.conversationId.encode(id) },
      ]);
      return invite;
    });
  }

  remove(id: ConversationId, code: string): Promise<void> {
    return this.#serial.run(() => this.#kv.batch(removal(id, code)));
  }
}

const removal = (id: ConversationId, code: string): Write[] => [
  { type: "del", key: keys.invite(code) },
  { type: "del", key: keys.inviteOf(id, code) },
];
