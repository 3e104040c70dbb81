import type { DovetailError } from "../../shared/errors.js";
import type { ConversationId, UserId } from "../../shared/ids.js";
import { MAX_RECEIPT_MEMBERS } from "../../shared/limits.js";
import { type ClientFrame, relayFrames } from "../../shared/protocol.js";
import type { Connections, Peer } from "./connections.js";
import type { Conversation } from "./conversation.js";
import type { Conversations } from "./conversations.js";
import type { WriteJob } from "./group-commit.js";
import type { Cursor } from "./ports.js";
import type { Stage } from "./stage.js";

type MoveFrame = Extract<ClientFrame, { type: "moveCursors" }>;

/** What is read was delivered, nothing is delivered that is not there, and nothing runs back. */
function moved(from: Cursor, to: Cursor, head: number): Cursor {
  const readUpTo = Math.max(from.readUpTo, Math.min(to.readUpTo, head));
  const deliveredUpTo = Math.max(from.deliveredUpTo, Math.min(to.deliveredUpTo, head), readUpTo);
  return { deliveredUpTo, readUpTo };
}

export class MoveCursorsJob implements WriteJob {
  readonly conversationId: ConversationId;
  readonly bytes = 0;
  readonly #conversations: Conversations;
  readonly #connections: Connections;
  readonly #peer: Peer;
  readonly #frame: MoveFrame;
  readonly #done: () => void;
  readonly #failed: (error: DovetailError) => void;
  #moved: { readonly cursor: Cursor; readonly event: number } | null = null;

  constructor(
    context: { conversations: Conversations; connections: Connections },
    peer: Peer,
    frame: MoveFrame,
    done: () => void,
    failed: (error: DovetailError) => void,
  ) {
    this.#conversations = context.conversations;
    this.#connections = context.connections;
    this.#peer = peer;
    this.#frame = frame;
    this.#done = done;
    this.#failed = failed;
    this.conversationId = frame.conversationId;
  }

  #audience: readonly UserId[] = [];

  prepare(): Promise<Conversation> {
    return this.#conversations.ofMember(this.conversationId, this.#peer.userId);
  }

  plan(stage: Stage): boolean {
    const { userId: user, deviceId } = this.#peer;
    const { conversation, head } = stage;
    if (!conversation.has(user)) return false;
    const { devices, ...before } = stage.cursor(user);
    const cursor = moved(before, this.#frame, head);
    const same =
      cursor.deliveredUpTo === before.deliveredUpTo && cursor.readUpTo === before.readUpTo;
    const onDevice = Math.min(this.#frame.deliveredUpTo, head);
    const further = onDevice > (devices.get(deviceId) ?? 0);
    this.#audience =
      conversation.members.length > MAX_RECEIPT_MEMBERS ? [user] : conversation.members;
    this.#moved = same ? null : { cursor, event: stage.claimStamps(1, this.#audience) };
    if (same && !further) return true;
    const told = further ? new Map([...devices, [deviceId, onDevice]]) : devices;
    stage.move(user, { ...cursor, devices: told });
    return true;
  }

  committed(_stage: Stage, firstStamp: number): void {
    const { requestId, conversationId } = this.#frame;
    this.#peer.send(relayFrames.encode({ type: "done", requestId }));
    this.#done();
    if (!this.#moved) return;
    const { cursor, event } = this.#moved;
    this.#connections.push(
      this.#audience,
      {
        type: "cursors",
        stamp: firstStamp + event,
        conversationId,
        userId: this.#peer.userId,
        ...cursor,
      },
      this.#peer,
    );
  }

  failed(error: DovetailError): void {
    this.#failed(error);
  }
}
