/** What people do with messages and conversations, for the host made up in the page. */
import type { FakeLog } from "./fake-world.js";

export interface FakeDoings {
  /** Somebody reacts. */
  react(messageId: string, emoji: string, handle: string): void;
  /** Anything about one message is otherwise. */
  change(messageId: string, change: Record<string, unknown>): void;
  /** A message disappears. */
  remove(messageId: string): void;
  /** Anything about the conversation with somebody is otherwise. */
  set(handle: string, change: Record<string, unknown>): void;
}

/** Runs in the page after the fake host: everything it needs is inside. */
export function fakeMessages(): void {
  type Loose = Record<string, unknown>;
  type Person = { userId: unknown; handle: unknown; displayName: unknown };
  type Reaction = { emoji: string; by: Person[]; mine: boolean };
  const world = window.fakeWorld;
  const { answers, own } = world;
  const self: Person = {
    userId: own.userId,
    handle: own.handle,
    displayName: own.displayName,
  };
  /** Ids in the order in which they were starred or pinned. */
  const starred: string[] = [];
  const pinned: string[] = [];
  const blocked = new Set<unknown>();

  const without = (reactions: Reaction[], handle: unknown) =>
    reactions
      .map(({ emoji, by, mine }) => ({
        emoji,
        by: by.filter((person) => person.handle !== handle),
        mine: mine && handle !== own.handle,
      }))
      .filter(({ by }) => by.length > 0);
  const react = (id: unknown, emoji: string, person: Person) => {
    const [log, index] = world.findMessage(id);
    const reactions = without(log.at(index).reactions as Reaction[], person.handle);
    if (emoji !== "") {
      const mine = person.handle === own.handle;
      const known = reactions.find((reaction) => reaction.emoji === emoji);
      if (known) {
        known.by.push(person);
        known.mine ||= mine;
      } else reactions.push({ emoji, by: [person], mine });
    }
    world.update(log, index, { reactions });
  };
  const remove = (id: unknown) => {
    const [log, index] = world.findMessage(id);
    log.removed.add(index);
    world.tell("message.removed", { conversationId: log.id, messageId: id });
    world.tell("conversation.changed", log.summary());
  };
  const set = (id: unknown, change: Loose) => {
    const log = world.find(id);
    log.settings = { ...log.settings, ...change };
    world.tell("conversation.changed", log.summary());
    return {};
  };
  const mark = (list: string[], id: string, on: boolean, field: string) => {
    const at = list.indexOf(id);
    if (at !== -1) list.splice(at, 1);
    if (on) list.unshift(id);
    const [log, index] = world.findMessage(id);
    world.update(log, index, { [field]: on });
    return {};
  };
  const messageOf = (id: string) => {
    const [log, index] = world.findMessage(id);
    if (index >= log.length || log.removed.has(index)) {
      throw { code: "not_found", message: "There is no such thing." };
    }
    return log.at(index);
  };
  const shown = (log: FakeLog) =>
    Array.from({ length: log.length }, (_, i) => i).filter((i) => !log.removed.has(i));

  Object.assign(answers, {
    "messages.get": ({ messageId }: { messageId: string }) => messageOf(messageId),
    "messages.forward": ({ messageId, to }: { messageId: string; to: string[] }) => ({
      messageIds: to.map((id) => {
        const log = world.find(id);
        const { text } = messageOf(messageId);
        const message = { ...log.make(log.length, true, String(text)), forwarded: true };
        world.add(log, message);
        return message.messageId;
      }),
    }),
    "messages.edit": ({ messageId, text }: { messageId: string; text: string }) => {
      const [log, index] = world.findMessage(messageId);
      world.update(log, index, { text, edited: true, mentions: world.mentionsIn(text) });
      return {};
    },
    "messages.delete": (params: { messageId: string; for: string }) => {
      const [log, index] = world.findMessage(params.messageId);
      if (params.for === "me") remove(params.messageId);
      else {
        const none = { text: "", deleted: true, reactions: [], mentions: [], replyTo: null };
        world.update(log, index, none);
      }
      return {};
    },
    "messages.react": ({ messageId, emoji }: { messageId: string; emoji: string }) => {
      react(messageId, emoji, self);
      return {};
    },
    "messages.star": ({ messageId, starred: on }: { messageId: string; starred: boolean }) =>
      mark(starred, messageId, on, "starred"),
    "messages.pin": ({ messageId, pinned: on }: { messageId: string; pinned: boolean }) =>
      mark(pinned, messageId, on, "pinned"),
    "messages.starred": ({ conversationId }: Loose) =>
      starred
        .filter((id) => conversationId === undefined || id.startsWith(String(conversationId)))
        .map(messageOf),
    "messages.pinned": ({ conversationId }: Loose) =>
      pinned
        .filter((id) => id.startsWith(String(conversationId)))
        .map(messageOf)
        .filter(({ deleted }) => !deleted),
    "messages.search": (params: Loose) => {
      const log = world.find(params.conversationId);
      const words = String(params.query).toLowerCase().split(/\s+/);
      const before = params.before ? world.findMessage(params.before)[1] : log.length;
      return shown(log)
        .reverse()
        .filter((i) => i < before)
        .map((i) => log.at(i))
        .filter(({ text }) => words.every((word) => String(text).toLowerCase().includes(word)))
        .slice(0, Number(params.limit ?? 20));
    },
    "messages.at": ({ conversationId, time }: { conversationId: string; time: number }) => {
      const log = world.find(conversationId);
      const index = shown(log).find((i) => Number(log.at(i).sentAt) >= time);
      return { messageId: index === undefined ? null : log.at(index).messageId };
    },
    "messages.receipts": ({ messageId }: { messageId: string }) => {
      const [log] = world.findMessage(messageId);
      const states = ["read", "delivered", "sent"];
      return (log.summary().members as Person[]).map((person, i) => ({
        ...person,
        state: states[i % 3],
      }));
    },
    "conversations.setTimer": ({ conversationId, seconds }: Loose) =>
      set(conversationId, { timer: seconds }),
    "conversations.pin": (params: Loose) => set(params.conversationId, { pinned: params.pinned }),
    "conversations.archive": (params: Loose) =>
      set(params.conversationId, { archived: params.archived }),
    "conversations.mute": ({ conversationId, until }: Loose) =>
      set(conversationId, { mutedUntil: until }),
    "conversations.accept": ({ conversationId }: Loose) => set(conversationId, { request: false }),
    "people.block": (params: { handle: string; blocked: boolean }) => {
      if (params.blocked) blocked.add(params.handle);
      else blocked.delete(params.handle);
      const log = world.logs.find(({ peer }) => peer?.handle === params.handle);
      if (log) set(log.id, { blocked: params.blocked });
      return {};
    },
    "people.blocked": () => world.people.filter(({ handle }) => blocked.has(handle)),
  });
  const doings: FakeDoings = {
    react: (messageId: string, emoji: string, handle: string) => {
      const person = world.people.find((other) => other.handle === handle);
      if (person) react(messageId, emoji, person as Person);
    },
    change: (messageId: string, change: Loose) => {
      const [log, index] = world.findMessage(messageId);
      world.update(log, index, change);
    },
    remove,
    set: (handle: string, change: Loose) => {
      const log = world.logs.find(({ peer }) => peer?.handle === handle);
      if (log) set(log.id, change);
    },
  };
  Object.assign(window.fake, doings);
}
