/**
 * What those who come to a group are told of it. Whoever lets them in writes down what the group is called
 * and its timer, and whoever comes by a link writes what it was when the link was made. What was changed
 * since, and has its place in the log before that entry, those who come never see. So it is looked at when
 * the entry has its place, and what there is to tell is kept until it is in the log: the device that let
 * them in tells it; where they came by a link, whoever has been there for longest.
 */
import { type Body, PROFILE_PARTS, type Profile } from "./content.js";
import type { NewsRow } from "./rows.js";
import type { ClientState, Conversation } from "./state.js";

export const NO_PROFILE: Profile = { name: "", description: "", picture: "" };

export const profileOf = ({ profile }: Pick<Conversation, "profile">): Profile =>
  profile
    ? { name: profile.name, description: profile.description, picture: profile.picture }
    : NO_PROFILE;

export interface Told {
  readonly profile: Profile | null;
  /** Seconds. */
  readonly timer: number;
}

/** What is to be told beyond `before`, after the entry that said `told` where the log said `now`. */
export function newsAfter(
  before: NewsRow | null,
  told: Told,
  now: Told,
  own: boolean,
): NewsRow | null {
  const [was, is] = [told.profile ?? NO_PROFILE, now.profile ?? NO_PROFILE];
  const profile = PROFILE_PARTS.find((part) => was[part] !== is[part]) ?? before?.profile ?? null;
  const timer = told.timer !== now.timer || (before?.timer ?? false);
  return profile || timer ? { profile, timer, own: own || (before?.own ?? false) } : null;
}

/** What is left to tell once everybody was told of that part. */
export function newsWithout(news: NewsRow | null, part: keyof NewsRow): NewsRow | null {
  if (part === "timer") return news?.profile ? { ...news, timer: false } : null;
  return news?.timer ? { ...news, profile: null } : null;
}

/**
 * The entry with which this device tells it; null where there is nothing, or nothing can be told now.
 * `isFirst`: whether it is the one of its user's devices that tells what any of them could.
 */
export function newsOf(
  state: ClientState,
  conversation: Conversation,
  isFirst: boolean,
): Body | null {
  const { news, row, tail, timer } = conversation;
  // What the rest of the log says of it may be news enough.
  if (!news || row.head > row.upTo) return null;
  // In the order in which they came.
  const able = row.members.filter(({ admin }) => admin || !row.restricted);
  const tellers = news.own ? able : able.slice(0, isFirst ? 1 : 0);
  if (!tellers.some(({ userId }) => userId === state.self.userId)) return null;
  const isUnderWay = (type: Body["type"]) =>
    tail.some(({ deviceId, content }) => {
      return deviceId === state.self.deviceId && content.body.type === type;
    });
  if (news.profile && !isUnderWay("profile")) {
    return { type: "profile", profile: profileOf(conversation), changed: news.profile };
  }
  if (news.timer && !isUnderWay("timer")) return { type: "timer", seconds: timer?.seconds ?? 0 };
  return null;
}
