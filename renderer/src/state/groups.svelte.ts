import type { Invitation, Message, Params, UserSummary } from "../../../shared/client-api.js";
import type { ConversationId } from "../../../shared/ids.js";
import type { Host } from "../host-contract.js";

/** What of a group's dialogs is open, and what one does from outside of a group. */
export class Groups {
  readonly #host: Host;
  newShown = $state(false);
  /** What was typed or followed: a link or a code, empty at first; null while nobody joins. */
  joining = $state<string | null>(null);
  /** Grows with each change of somebody's membership that a message tells of. */
  changes = $state(0);
  /** A modal dialog is in front: shortcuts of the page behind it rest. */
  readonly modal = $derived(this.newShown || this.joining !== null);

  constructor(host: Host) {
    this.#host = host;
  }

  openJoin(typed: string): void {
    this.joining = typed.trim();
  }

  async create(params: Params<"groups.create">): Promise<ConversationId> {
    return (await this.#host.call("groups.create", params)).conversationId;
  }

  async invitation(code: string): Promise<Invitation> {
    return await this.#host.call("groups.invitation", { code });
  }

  async join(code: string): Promise<ConversationId> {
    return (await this.#host.call("groups.join", { code })).conversationId;
  }

  /** Who was made what stands in no summary of a conversation, only in its notices. */
  told({ notice }: Message): void {
    if (notice !== null && notice.type !== "timer") this.changes++;
  }
}

/** Handles for a call, which takes no people. */
export const handlesOf = (people: readonly UserSummary[]): string[] =>
  people.map(({ handle }) => handle);
