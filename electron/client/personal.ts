/**
 * What follows a user to all devices and is nobody else's: entries of the notes conversation, whose
 * log all of them have.
 */
import { messageIdOf } from "../../shared/ids.js";
import type { Body } from "./content.js";
import { announce, type Core } from "./core.js";
import type { Effect, Pending } from "./registers.js";
import { blocksRow, draftRow, emptyRow, flagRow, keys, starRow } from "./rows.js";

/** Null where the entry says nothing of this kind, or something newer was said. */
export function personal(core: Core, pending: Pending, body: Body, writing: string): Effect | null {
  switch (body.type) {
    case "draft":
      return drafted(core, pending, body, writing);
    case "flag":
      return flagged(core, pending, body, writing);
    case "star":
      return starred(core, pending, body, writing);
    case "hide":
      return hidden(core, body);
    case "block":
      return blocked(core, pending, body, writing);
    default:
      return null;
  }
}

type Of<T extends Body["type"]> = Extract<Body, { type: T }>;

function drafted(core: Core, pending: Pending, body: Of<"draft">, writing: string): Effect | null {
  const key = keys.draft(body.conversationId);
  const conversation = core.state.conversations.get(body.conversationId);
  const draft = pending.get(key, conversation?.draft);
  if (draft && draft.writing >= writing) return null;
  const row = { writing, text: body.text };
  pending.set(key, row);
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

function flagged(core: Core, pending: Pending, body: Of<"flag">, writing: string): Effect | null {
  const { conversationId, flag, value } = body;
  const key = keys.flag(conversationId, flag);
  const known = pending.get(key, core.state.conversations.get(conversationId)?.flags.get(flag));
  if (known && known.writing >= writing) return null;
  const row = { writing, value };
  pending.set(key, row);
  return {
    writes: [{ type: "put", key, value: flagRow.encode(row) }],
    apply() {
      const now = core.state.conversations.get(conversationId);
      if (!now) return;
      now.flags.set(flag, row);
      announce(core, now);
    },
  };
}

function starred(core: Core, pending: Pending, body: Of<"star">, writing: string): Effect | null {
  const messageId = messageIdOf(body.conversationId, body.target);
  const key = keys.star(messageId);
  const known = pending.get(key, core.state.stars.get(messageId));
  if (known && known.writing >= writing) return null;
  const row = { writing, on: body.on };
  pending.set(key, row);
  return {
    writes: [{ type: "put", key, value: starRow.encode(row) }],
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

function blocked(core: Core, pending: Pending, body: Of<"block">, writing: string): Effect | null {
  const key = keys.block(body.userId);
  const before = pending.get(key, core.state.blocks.get(body.userId) ?? []);
  const last = before.at(-1);
  if (last && last.writing >= writing) return null;
  const active = last !== undefined && last.until === null;
  if (active === body.blocked) return null;
  const blocks = body.blocked
    ? [...before, { writing, since: body.at, until: null }]
    : [...before.slice(0, -1), { ...(last as NonNullable<typeof last>), writing, until: body.at }];
  const kept = blocks.slice(-1_000);
  pending.set(key, kept);
  return {
    writes: [{ type: "put", key, value: blocksRow.encode(kept) }],
    apply() {
      core.state.blocks.set(body.userId, kept);
      core.blockChanged(body.userId);
    },
  };
}
