import type { Invite, Member, Params } from "../../../shared/client-api.js";
import type { ConversationId } from "../../../shared/ids.js";
import type { Host } from "../host-contract.js";
import { failureWords } from "../text/words.js";

type Given<M extends "groups.update" | "groups.createInvite"> = Omit<Params<M>, "conversationId">;

/** What is known and done of one group beside its conversation. */
export class GroupPanel {
  readonly #host: Host;
  readonly #conversationId: ConversationId;
  readonly #names = new Intl.Collator();
  #known = $state.raw<readonly Member[]>([]);
  invites = $state.raw<readonly Invite[]>([]);
  failure = $state<string | null>(null);
  /** Oneself, then the admins, then everybody else by name. */
  readonly members = $derived(
    this.#known.toSorted(
      (a, b) =>
        Number(b.self) - Number(a.self) ||
        Number(b.admin) - Number(a.admin) ||
        this.#names.compare(a.displayName, b.displayName),
    ),
  );
  readonly #handles = $derived(new Set(this.#known.map(({ handle }) => handle)));

  constructor(host: Host, conversationId: ConversationId) {
    this.#host = host;
    this.#conversationId = conversationId;
  }

  has(handle: string): boolean {
    return this.#handles.has(handle);
  }

  async loadMembers(): Promise<void> {
    const conversationId = this.#conversationId;
    await this.attempt(async () => {
      this.#known = await this.#host.call("groups.members", { conversationId });
    });
  }

  async loadInvites(): Promise<void> {
    const conversationId = this.#conversationId;
    await this.attempt(async () => {
      this.invites = await this.#host.call("groups.invites", { conversationId });
    });
  }

  async update(change: Given<"groups.update">): Promise<void> {
    await this.#host.call("groups.update", { conversationId: this.#conversationId, ...change });
  }

  async add(handles: string[]): Promise<void> {
    await this.#host.call("groups.add", { conversationId: this.#conversationId, handles });
    await this.loadMembers();
  }

  async remove(handle: string): Promise<void> {
    await this.#host.call("groups.remove", { conversationId: this.#conversationId, handle });
    await this.loadMembers();
  }

  async setAdmin(handle: string, admin: boolean): Promise<void> {
    const conversationId = this.#conversationId;
    await this.#host.call("groups.setAdmin", { conversationId, handle, admin });
    await this.loadMembers();
  }

  async restrict(restricted: boolean): Promise<void> {
    await this.#host.call("groups.restrict", { conversationId: this.#conversationId, restricted });
  }

  async leave(): Promise<void> {
    await this.#host.call("groups.leave", { conversationId: this.#conversationId });
  }

  async createInvite(wanted: Given<"groups.createInvite">): Promise<Invite> {
    const conversationId = this.#conversationId;
    const invite = await this.#host.call("groups.createInvite", { conversationId, ...wanted });
    this.invites = [...this.invites, invite];
    return invite;
  }

  async revokeInvite(code: string): Promise<void> {
    await this.#host.call("groups.revokeInvite", { conversationId: this.#conversationId, code });
    this.invites = this.invites.filter((invite) => invite.code !== code);
  }

  /** Runs what a person asked for where no dialog shows how it ends. */
  async attempt(action: () => Promise<unknown>): Promise<void> {
    try {
      this.failure = null;
      await action();
    } catch (thrown) {
      this.failure = failureWords(thrown);
    }
  }
}
