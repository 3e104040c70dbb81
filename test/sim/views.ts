/** What devices make of the same messages: all the same, and what was asked for. */
import type { Conversation, Message } from "../../shared/client-api.js";
import type { MessageId } from "../../shared/ids.js";
import { type Memory, own } from "./memory.js";
import { brief } from "./promises.js";

/** What all who have a message see alike. */
const common = (message: Message): string => {
  const { seq, clock, from, text, notice, replyTo, forwarded, edited, deleted, pinned } = message;
  const reactions = message.reactions.map(({ emoji, by }) => [emoji, by.map((who) => who.handle)]);
  const mentions = message.mentions.map(({ handle }) => handle);
  const rest = { seq, clock, from, notice, replyTo, forwarded, edited, deleted, pinned };
  return JSON.stringify({ ...rest, text: brief(text), reactions, mentions });
};

/** A device, as far as it is spoken of. */
interface Named {
  readonly name: string;
  readonly handle: string;
}

export interface Seen<D extends Named = Named> {
  readonly device: D;
  readonly list: readonly Message[];
  /** From which place on its user was told everything: what was said before may have changed since. */
  readonly since: number;
  /** Messages of which something was said before they had their place, and before its user came. */
  readonly missed: ReadonlySet<MessageId>;
}

/** Devices of one user agree on all; others on what both were there for since. */
export function viewFaults(all: readonly Seen[]): string[] {
  const faults: string[] = [];
  const first = new Map<string, { device: Named; view: string; starred: boolean; since: number }>();
  for (const { device, list, since, missed } of all) {
    // What it says of messages after it was removed, not knowing that, stays its own.
    if (!Number.isFinite(since)) continue;
    for (const message of list) {
      const { messageId, seq, starred } = message;
      if (seq === null) continue;
      const view = common(message);
      for (const [key, from] of [
        [own(device.handle, messageId), 0],
        [messageId, since],
      ] as const) {
        if (seq < from || (from > 0 && missed.has(messageId))) continue;
        const other = first.get(key);
        if (!other) first.set(key, { device, view, starred, since });
        else if (other.view !== view) {
          faults.push(`${device.name} sees ${view}, and ${other.device.name} ${other.view}`);
        } else if (from === 0 && other.starred !== starred) {
          faults.push(`${device.name} and ${other.device.name} differ on a star of ${view}`);
        }
      }
    }
  }
  return faults;
}

/** Nothing of a message is other than somebody wanted it, and what was accepted was done. */
export function wishFaults(
  memory: Memory,
  { device, list, since, missed }: Seen,
  /** Those who were there all the time since. */
  handles: readonly string[],
): string[] {
  const faults: string[] = [];
  for (const message of list) {
    const { messageId, seq, from, notice, text, deleted, reactions } = message;
    if (notice || seq === null || seq < since || !handles.includes(from)) continue;
    if (missed.has(messageId)) continue;
    const differs = (what: string) =>
      faults.push(`${device.name}: ${brief(memory.original(message))} ${what}`);
    if (!memory.stars.explains(own(device.handle, messageId), message.starred, false)) {
      differs(`has a star that nobody gave, or lacks one`);
    }
    if (
      memory.hidings.of(own(device.handle, messageId)).some(({ accepted }) => accepted !== null)
    ) {
      differs("was deleted here and is shown");
    }
    const erasures = memory.erasures.of(messageId);
    if (deleted) {
      if (erasures.length === 0) differs("was deleted by nobody");
      continue;
    }
    const byAuthor = erasures.some(
      (wish) => wish.accepted !== null && handleOf(wish.device) === from,
    );
    if (byAuthor) differs("was deleted for everyone and is there");
    if (!memory.edits.explains(messageId, text, memory.original(message))) {
      differs(`reads ${brief(text)}, which is not what its author wanted last`);
    }
    for (const handle of handles) {
      const given = reactions.find(({ by }) => by.some((who) => who.handle === handle));
      if (!memory.reactions.explains(own(handle, messageId), given?.emoji ?? "", "")) {
        differs(`has "${given?.emoji ?? ""}" of ${handle}, who wanted something else`);
      }
    }
  }
  return faults;
}

const handleOf = (deviceName: string): string => deviceName.replace(/-\d+$/, "");

/** What a user keeps for itself is the same on all its devices, and what it asked for. */
export function ownFaults(
  memory: Memory,
  all: readonly { readonly device: Named; readonly summary: Conversation }[],
): string[] {
  const faults: string[] = [];
  const first = new Map<string, { device: Named; view: string }>();
  for (const { device, summary } of all) {
    const { conversationId, pinned, archived, mutedUntil, blocked, request } = summary;
    const muted = mutedUntil !== null;
    const { draft } = summary;
    const thing = own(device.handle, conversationId);
    const view = JSON.stringify({ pinned, archived, muted, draft, blocked, request });
    const other = first.get(thing);
    if (!other) first.set(thing, { device, view });
    else if (other.view !== view) {
      faults.push(`${device.name} has ${view}, and ${other.device.name} ${other.view}`);
    }
    for (const [flag, value] of Object.entries({ pinned, archived, muted })) {
      if (!memory.flags.explains(`${thing} ${flag}`, value, false)) {
        faults.push(`${device.name} has ${flag} ${value}, which nobody wanted last`);
      }
    }
    if (!memory.drafts.explains(thing, draft, "")) {
      faults.push(`${device.name} has the draft "${draft}", which nobody wrote last`);
    }
  }
  return faults;
}

/** What all members of a group say of it; what it is called and its timer, those who were told. */
export function groupFaults(
  all: readonly {
    readonly device: Named;
    readonly summary: Conversation;
    readonly informed: boolean;
  }[],
): string[] {
  const differing = (
    some: typeof all,
    view: (summary: Conversation) => Partial<Conversation>,
  ): string[] => {
    const views = some.map(({ device, summary }) => ({
      device,
      view: JSON.stringify(view(summary)),
    }));
    const [first, ...rest] = views;
    return rest
      .filter((each) => each.view !== first?.view)
      .map(
        (each) => `${each.device.name} has ${each.view}, and ${first?.device.name} ${first?.view}`,
      );
  };
  return [
    ...differing(all, ({ restricted, memberCount }) => ({ restricted, memberCount })),
    ...differing(
      all.filter(({ informed }) => informed),
      ({ title, description, timer }) => ({ title, description, timer }),
    ),
  ];
}
