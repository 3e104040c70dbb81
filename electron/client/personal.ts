/**
 * What follows a user to all devices and is nobody else's: entries of the notes conversation, whose
 * log all of them have.
 */
import { messageIdOf } from "../../shared/ids.js";
import type { Body } from "./content.js";
import { announce, type Core } from "./core.js";
import type { Effect } from "./registers.js";
import { blocksRow, draftRow, emptyRow, flagRow, keys, starRow } from "./rows.js";

/** Null where the entry says nothing of this kind, or something newer was said. */
export async function personal(core: Core, body: Body, writing: string): Promise<Effect | null> {
  switch (body.type) {
    case "draft":
      return drafted(core, body, writing);
    case "flag":
      return flagged(core, body, writing);
    case "star":
      return starred(core, body, writing);
    case "hide":
      return hidden(core, body);
    case "block":
      return blocked(core, body, writing);
    default:
      return null;
  }
}

type Of<T extends Body["type"]> = Extract<Body, { type: T }>;

function drafted(core: Core, body: Of<"draft">, writing: string): Effect | null {
  const conversation = core.state.conversations.get(body.conversationId);
  const draft = conversation?.draft;
  if (draft && draft.writing >= writing) return null;
  const row = { writing, text: body.text };
  const key = keys.draft(body.conversationId);
  return {
    writes: [{ type: "put", key, value: draftRow.encode(row) }],
    apply() {
      // It may have become known since.
      const now = core.state.conversations.get(body.conversationId);
      if (!now) return;
      now.draft = row;
      announce(core, now);
    },
  };
}

function flagged(core: Core, body: Of<"flag">, writing: string): Effect | null {
  const { conversationId, flag, value } = body;
  const known = core.state.conversations.get(conversationId)?.flags.get(flag);
  if (known && known.writing >= writing) return null;
  const row = { writing, value };
  return {
    writes: [{ type: "put", key: keys.flag(conversationId, flag), value: flagRow.encode(row) }],
    apply() {
      const now = core.state.conversations.get(conversationId);
      if (!now) return;
      now.flags.set(flag, row);
      announce(core, now);
    },
  };
}

function starred(core: Core, body: Of<"star">, writing: string): Effect | null {
  const messageId = messageIdOf(body.conversationId, body.target);
  const known = core.state.stars.get(messageId);
  if (known && known.writing >= writing) return null;
  const row = { writing, on: body.on };
  return {
    writes: [{ type: "put", key: keys.star(messageId), value: starRow.encode(row) }],
    apply() {
      core.state.stars.set(messageId, row);
      const conversation = core.state.conversations.get(body.conversationId);
      if (conversation) core.retell(conversation, body.target);
    },
  };
}

function hidden(core: Core, body: Of<"hide">): Effect | null {
  const { conversationId, target } = body;
  const messageId = messageIdOf(conversationId, target);
  if (core.state.hidden.has(messageId)) return null;
  return {
    writes: [
      { type: "put", key: keys.hidden(messageId), value: emptyRow.encode(new Uint8Array()) },
    ],
    apply() {
      core.state.hidden.add(messageId);
      core.events.emit("message.removed", { conversationId, messageId });
      const conversation = core.state.conversations.get(conversationId);
      if (conversation) core.recount(conversation);
    },
  };
}

function blocked(core: Core, body: Of<"block">, writing: string): Effect | null {
  const before = core.state.blocks.get(body.userId) ?? [];
  const last = before.at(-1);
  if (last && last.writing >= writing) return null;
  const active = last !== undefined && last.until === null;
  if (active === body.blocked) return null;
  const blocks = body.blocked
    ? [...before, { writing, since: body.at, until: null }]
    : [...before.slice(0, -1), { ...(last as NonNullable<typeof last>), writing, until: body.at }];
  const kept = blocks.slice(-1_000);
  return {
    writes: [{ type: "put", key: keys.block(body.userId), value: blocksRow.encode(kept) }],
    apply() {
      core.state.blocks.set(body.userId, kept);
      core.blockChanged(body.userId);
    },
  };
}
