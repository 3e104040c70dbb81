import { DovetailError } from "../../../shared/errors.js";
import type { ConversationId } from "../../../shared/ids.js";
import type { InviteStore, StoredInvite } from "../../core/ports.js";
import { rows } from "../rows.js";
import { names } from "./change.js";
import type { Database } from "./database.js";
import type { Cell, Segment, Segments } from "./segments.js";
import { contended, tries } from "./tries.js";

const GONE = new Uint8Array(0);

/** Invites stand with the state of their group's log, so that a change of it can take a use. */
export class CassandraInviteStore implements InviteStore {
  readonly #database: Database;
  readonly #segments: Segments;

  constructor(database: Database, segments: Segments) {
    this.#database = database;
    this.#segments = segments;
  }

  async find(code: string): Promise<StoredInvite | null> {
    const query = "SELECT conversation FROM invite WHERE code = ?";
    const row = await this.#database.one(query, [code]);
    const id = row?.conversation as ConversationId | undefined;
    const segment = id && (await this.#segments.newest(id));
    if (!segment) return null;
    const stored = await this.#segments.row(id, segment.base, names.link(code));
    return stored?.length ? rows.invite.decode(names.link(code), stored) : null;
  }

  async of(id: ConversationId): Promise<readonly StoredInvite[]> {
    const segment = await this.#segments.newest(id);
    return segment ? this.#in(id, segment) : [];
  }

  async add(
    invite: StoredInvite,
    max: number,
    dead: (invite: StoredInvite) => boolean,
  ): Promise<StoredInvite | "too_many_invites"> {
    const { conversationId: id, code } = invite;
    const known = await this.find(code);
    if (known) return known;
    // First: an invite that is there and not found by its code would count and be of no use.
    const query = "INSERT INTO invite (code, conversation) VALUES (?, ?)";
    await this.#database.write([{ query, params: [code, id] }]);
    return this.#write<StoredInvite | "too_many_invites">(id, (others) => {
      const there = others.find((other) => other.code === code);
      if (there) return { result: there, cells: [] };
      const gone = others.filter(dead);
      if (others.length - gone.length >= max) return { result: "too_many_invites", cells: [] };
      const put = { seq: 0, name: names.link(code), value: rows.invite.encode(invite) };
      return { result: invite, cells: [...gone.map((each) => removal(each.code)), put] };
    });
  }

  remove(id: ConversationId, code: string): Promise<void> {
    return this.#write(id, (there) => ({
      result: undefined,
      cells: there.some((invite) => invite.code === code) ? [removal(code)] : [],
    }));
  }

  async #write<T>(
    id: ConversationId,
    plan: (there: readonly StoredInvite[]) => { result: T; cells: readonly Cell[] },
  ): Promise<T> {
    for await (const _ of tries()) {
      const segment = await this.#segments.newest(id);
      if (!segment) throw new DovetailError("not_found", "There is no such conversation.");
      const { result, cells } = plan(await this.#in(id, segment));
      const { head, first, pending } = segment;
      const write = { head, first, pending: pending ?? GONE, rows: cells };
      if (cells.length === 0 || (await this.#segments.write(id, segment, write))) return result;
    }
    throw contended("The invites are written by too many at once.");
  }

  async #in(id: ConversationId, segment: Segment): Promise<readonly StoredInvite[]> {
    const found = await this.#segments.rowsBetween(id, segment.base, "link/", "link0");
    return found
      .filter((row) => (row.value as Uint8Array).length > 0)
      .map((row) => rows.invite.decode(row.name as string, row.value as Uint8Array));
  }
}

/** Overwritten, not deleted: a deletion would be read over for days. */
const removal = (code: string): Cell => ({ seq: 0, name: names.link(code), value: GONE });
