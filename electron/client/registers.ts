/**
 * What is set for a whole conversation, for everyone in it: the latest writing wins; of a group's name
 * and timer, the last in the log.
 */
import type { DeviceId, UserId } from "../../shared/ids.js";
import type { Write } from "../../shared/key-value.js";
import type { Membership, Rights } from "../../shared/protocol.js";
import type { Body, Profile } from "./content.js";
import type { Core } from "./core.js";
import { newsAfter, newsWithout, type Told } from "./newcomers.js";
import {
  keys,
  MAX_PINS,
  type NewsRow,
  newsRow,
  type PinRow,
  pinsRow,
  profileRow,
  timerRow,
} from "./rows.js";
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

/** With what the relay says of an entry with its place; both are null while it has none. */
interface Setter {
  readonly userId: UserId;
  readonly deviceId: DeviceId;
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
  { userId, deviceId, rights, membership }: Setter,
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
      const { self } = core.state;
      const adds = membership?.adds ?? [];
      if (adds.some(({ userId }) => userId === self.userId)) {
        return all([
          body.profile && named(conversation, pending, body.profile, writing, isGroup),
          timed(conversation, pending, body.timer, writing, isGroup),
        ]);
      }
      // Whoever was there before knows better than the one who tells it to those who come.
      const own = deviceId === self.deviceId;
      const byLink = adds.some((each) => each.userId === userId);
      return adds.length > 0 && (own || byLink) ? compared(conversation, pending, body, own) : null;
    }
    default:
      return null;
  }
}

const all = (effects: readonly (Effect | null)[]): Effect => ({
  writes: effects.flatMap((effect) => effect?.writes ?? []),
  apply() {
    for (const effect of effects) effect?.apply();
  },
});

/** What those who came were told, with what the log said by then. `own`: by this device. */
function compared(
  conversation: Conversation,
  pending: Pending,
  told: Told,
  own: boolean,
): Effect | null {
  const { conversationId } = conversation.row;
  const timer = pending.get(keys.timer(conversationId), conversation.timer)?.seconds ?? 0;
  const profile = pending.get(keys.profile(conversationId), conversation.profile);
  return kept(conversation, pending, (before) => newsAfter(before, told, { profile, timer }, own));
}

/** What is still to be told; null where it stays what it was. */
function kept(
  conversation: Conversation,
  pending: Pending,
  next: (before: NewsRow | null) => NewsRow | null,
): Effect | null {
  const key = keys.news(conversation.row.conversationId);
  const before = pending.get(key, conversation.news);
  const news = next(before);
  if (news === null && before === null) return null;
  pending.set(key, news);
  return {
    writes: [news ? { type: "put", key, value: newsRow.encode(news) } : { type: "del", key }],
    apply: () => {
      conversation.news = news;
    },
  };
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
  const set: Effect = {
    writes: [{ type: "put", key, value: timerRow.encode(row) }],
    apply: () => {
      conversation.timer = row;
    },
  };
  return all([set, kept(conversation, pending, (news) => newsWithout(news, "timer"))]);
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
  const set: Effect = {
    writes: [{ type: "put", key, value: profileRow.encode(row) }],
    apply: () => {
      conversation.profile = row;
    },
  };
  return all([set, kept(conversation, pending, (news) => newsWithout(news, "profile"))]);
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
