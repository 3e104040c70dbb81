/**
 * What is set for a whole conversation, for everyone in it: the latest writing wins; of a group's name
 * and timer, the last in the log.
 */
import type { Write } from "../../shared/key-value.js";
import type { Membership, Rights } from "../../shared/protocol.js";
import type { Body, Profile } from "./content.js";
import type { Core } from "./core.js";
import { keys, MAX_PINS, type PinRow, pinsRow, profileRow, timerRow } from "./rows.js";
import { type Conversation, sameOrigin } from "./state.js";

export interface Effect {
  readonly writes: readonly Write[];
  /** Once it is written. */
  apply(): void;
}

/** By row: what a change sets that is not applied yet. Its later entries build on it. */
export class Pending {
  readonly #rows = new Map<string, unknown>();

  /** What is set by now; `applied` where this change sets nothing. */
  get<T>(key: string, applied: T): T {
    return this.#rows.has(key) ? (this.#rows.get(key) as T) : applied;
  }

  set(key: string, row: unknown): void {
    this.#rows.set(key, row);
  }
}

/** What the relay says of an entry with its place; both are null while it has none. */
interface Setter {
  readonly rights: Rights | null;
  readonly membership: Membership | null;
}

/** Null where the entry sets nothing, or something newer is set. */
export function register(
  core: Core,
  conversation: Conversation,
  pending: Pending,
  body: Body,
  writing: string,
  { rights, membership }: Setter,
): Effect | null {
  const isGroup = conversation.row.kind === "group";
  // In a group the log decides: who joined later has its state from an entry of the log, and what was
  // set before by a clock that is ahead must not win over that with the others alone.
  if (isGroup && body.type !== "pin" && (rights === null || rights === "write")) return null;
  switch (body.type) {
    case "pin":
      return pinned(core, conversation, pending, { ...body.target, writing, on: body.on });
    case "timer":
      return timed(conversation, pending, body.seconds, writing, isGroup);
    case "profile":
      return named(conversation, pending, body.profile, writing, isGroup);
    case "membership": {
      // Whoever was there before knows better than the one who tells it to those who come.
      const { userId: self } = core.state.self;
      if (!membership?.adds.some(({ userId }) => userId === self)) return null;
      const effects = [
        body.profile && named(conversation, pending, body.profile, writing, isGroup),
        timed(conversation, pending, body.timer, writing, isGroup),
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

function timed(
  conversation: Conversation,
  pending: Pending,
  seconds: number,
  writing: string,
  byPlace: boolean,
): Effect | null {
  const key = keys.timer(conversation.row.conversationId);
  const known = pending.get(key, conversation.timer);
  if (!byPlace && known && known.writing >= writing) return null;
  const row = { writing, seconds };
  pending.set(key, row);
  return {
    writes: [{ type: "put", key, value: timerRow.encode(row) }],
    apply: () => {
      conversation.timer = row;
    },
  };
}

function named(
  conversation: Conversation,
  pending: Pending,
  profile: Profile,
  writing: string,
  byPlace: boolean,
): Effect | null {
  const key = keys.profile(conversation.row.conversationId);
  const known = pending.get(key, conversation.profile);
  if (!byPlace && known && known.writing >= writing) return null;
  const row = { writing, ...profile };
  pending.set(key, row);
  return {
    writes: [{ type: "put", key, value: profileRow.encode(row) }],
    apply: () => {
      conversation.profile = row;
    },
  };
}

function pinned(
  core: Core,
  conversation: Conversation,
  pending: Pending,
  pin: PinRow,
): Effect | null {
  const key = keys.pinsOf(conversation.row.conversationId);
  const before = pending.get(key, conversation.pins);
  const known = before.find((each) => sameOrigin(each, pin));
  if (known && known.writing >= pin.writing) return null;
  const others = before.filter((each) => each !== known);
  const pins = [...others, pin].sort((a, b) => (a.writing < b.writing ? -1 : 1)).slice(-MAX_PINS);
  pending.set(key, pins);
  return {
    writes: [{ type: "put", key, value: pinsRow.encode(pins) }],
    apply: () => {
      conversation.pins = pins;
      core.retell(conversation, pin);
    },
  };
}
