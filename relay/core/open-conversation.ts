import { DovetailError } from "../../shared/errors.js";
import type { ConversationId, UserId } from "../../shared/ids.js";
import type { ConversationState } from "../../shared/protocol.js";
import type { Crypto } from "../../shared/runtime.js";
import type { Connections, Peer } from "./connections.js";
import { Conversation } from "./conversation.js";
import type { Conversations } from "./conversations.js";
import { directOf } from "./direct-of.js";
import type { GroupCommit, WriteJob } from "./group-commit.js";
import type { People } from "./people.js";
import type { Stage } from "./stage.js";

/** Until when an id that somebody has just taken is known to be taken. */
const AGAIN_MS = 100;

export interface OpenContext {
  readonly conversations: Conversations;
  readonly connections: Connections;
  readonly people: People;
  readonly commit: GroupCommit;
  readonly crypto: Crypto;
}

/** The direct conversation of the peer's user with that one, made durably where it is not there. */
export async function openConversation(
  context: OpenContext,
  peer: Peer,
  other: UserId,
): Promise<ConversationState> {
  if (!(await context.people.user(other))) {
    throw new DovetailError("not_found", "There is no such user.");
  }
  const { id, there } = await directOf(
    context.crypto,
    (candidate) => context.conversations.find(candidate),
    peer.userId,
    other,
  );
  if (!there) {
    const members = peer.userId === other ? [other] : [peer.userId, other];
    const conversation = new Conversation(id, {
      kind: members.length === 1 ? "notes" : "direct",
      group: {
        epoch: 0,
        restricted: false,
        members: members.map((userId) => ({ userId, admin: false })),
      },
      head: 0,
      first: 1,
      cursors: new Map(),
    });
    // Read before it is written, so that nothing has to be read between the commit and the push.
    const state = await context.conversations.state(conversation, peer.userId);
    await new Promise<void>((resolve, reject) => {
      context.commit.submit(new OpenJob(context, conversation, state, resolve, reject));
    });
  }
  const opened = await context.conversations.find(id);
  if (!opened) throw new DovetailError("internal", "The conversation is gone.");
  // Somebody made a group of it just now; the next try finds another id.
  if (opened.kind === "group") {
    throw new DovetailError("overloaded", undefined, { retryAfterMs: AGAIN_MS });
  }
  return context.conversations.state(opened, peer.userId);
}

class OpenJob implements WriteJob {
  readonly bytes = 0;
  readonly conversationId: ConversationId;
  readonly #context: OpenContext;
  readonly #conversation: Conversation;
  readonly #state: ConversationState;
  readonly #done: () => void;
  readonly #failed: (error: DovetailError) => void;
  #event: number | null = null;

  constructor(
    context: OpenContext,
    conversation: Conversation,
    state: ConversationState,
    done: () => void,
    failed: (error: DovetailError) => void,
  ) {
    this.conversationId = conversation.id;
    this.#context = context;
    this.#conversation = conversation;
    this.#state = state;
    this.#done = done;
    this.#failed = failed;
  }

  async prepare(): Promise<Conversation | null> {
    if (await this.#context.conversations.find(this.conversationId)) {
      this.#done();
      return null;
    }
    this.#conversation.stale = false;
    return this.#conversation;
  }

  /** Two who open it at once share one commit: the second waits for the first's. */
  plan(stage: Stage): boolean {
    this.#event = null;
    if (!stage.opens && stage.conversation === this.#conversation) {
      stage.open();
      this.#event = stage.claimStampsForAll(1);
    }
    return true;
  }

  committed(_stage: Stage, firstStamp: number): void {
    this.#done();
    if (this.#event === null) return;
    // To whoever asked, too: were the answer lost and what follows not, its device would be past it.
    this.#context.connections.push(
      this.#state.members.map((member) => member.userId),
      { type: "conversation", stamp: firstStamp + this.#event, conversation: this.#state },
    );
  }

  failed(error: DovetailError): void {
    this.#failed(error);
  }
}
