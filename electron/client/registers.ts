/** What is set for a whole conversation, for everyone in it: the latest writing wins. */
import type { Write } from "../../shared/key-value.js";
import type { Body, Profile } from "./content.js";
import type { Core } from "./core.js";
import { keys, MAX_PINS, type PinRow, pinsRow, profileRow, timerRow } from "./rows.js";
import { type Conversation, sameOrigin } from "./state.js";

export interface Effect {
  readonly writes: readonly Write[];
  /** Once it is written. */
  apply(): void;
}

/** Null where the entry sets nothing, or something newer is set. */
export function register(
  core: Core,
  conversation: Conversation,
  body: Body,
  writing: string,
  /** Whether the author may set what all see. */
  allowed: boolean,
): Effect | null {
  switch (body.type) {
    case "pin":
      return pinned(core, conversation, { ...body.target, writing, on: body.on });
    case "timer":
      return allowed ? timed(conversation, body.seconds, writing) : null;
    case "profile":
      return allowed ? named(conversation, body.profile, writing) : null;
    case "membership": {
      const effects = [
        body.profile && named(conversation, body.profile, writing),
        timed(conversation, body.timer, writing),
      ].filter((effect) => effect !== null);
      return {
        writes: effects.flatMap((effect) => effect.writes),
        apply: () => {
          for (const effect of effects) effect.apply();
        },
      };
    }
    default:
      return null;
  }
}

function timed(conversation: Conversation, seconds: number, writing: string): Effect | null {
  if (conversation.timer && conversation.timer.writing >= writing) return null;
  const row = { writing, seconds };
  const key = keys.timer(conversation.row.conversationId);
  return {
    writes: [{ type: "put", key, value: timerRow.encode(row) }],
    apply: () => {
      conversation.timer = row;
    },
  };
}

function named(conversation: Conversation, profile: Profile, writing: string): Effect | null {
  if (conversation.profile && conversation.profile.writing >= writing) return null;
  const row = { writing, ...profile };
  const key = keys.profile(conversation.row.conversationId);
  return {
    writes: [{ type: "put", key, value: profileRow.encode(row) }],
    apply: () => {
      conversation.profile = row;
    },
  };
}

function pinned(core: Core, conversation: Conversation, pin: PinRow): Effect | null {
  const known = conversation.pins.find((each) => sameOrigin(each, pin));
  if (known && known.writing >= pin.writing) return null;
  const others = conversation.pins.filter((each) => each !== known);
  const pins = [...others, pin].sort((a, b) => (a.writing < b.writing ? -1 : 1)).slice(-MAX_PINS);
  const key = keys.pinsOf(conversation.row.conversationId);
  return {
    writes: [{ type: "put", key, value: pinsRow.encode(pins) }],
    apply: () => {
      conversation.pins = pins;
      core.retell(conversation, pin);
    },
  };
}
