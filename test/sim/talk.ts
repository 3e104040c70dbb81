/** What people do with messages that they see, and with a conversation for themselves. */
import type { Message, Method, Params, Results } from "../../shared/client-api.js";
import type { ConversationId, MessageId } from "../../shared/ids.js";
import type { Device } from "./machine.js";
import { type Memory, own } from "./memory.js";
import type { Prng } from "./virtual-time.js";
import type { World } from "./world.js";

/** Messages among which one is chosen: mostly people speak of what was said last. */
const RECENT = 8;
/** As the client API says it of a mute. */
const FOR_EVER = 8.64e15;
const EMOJI = ["👍", "🎉", "👀", ""] as const;

/** Whose device it is, and what it was told to have read. */
interface Speaker {
  readonly name: string;
  readonly handle: string;
  readonly read: Set<MessageId>;
}

/** Where people talk: a simulated world, or real machines. */
export interface Stage<D extends Speaker> {
  readonly memory: Memory;
  ask<M extends Method>(device: D, method: M, params: Params<M>): Promise<Results[M]>;
  send(device: D, id: ConversationId, text: string, replyTo?: MessageId): unknown;
}

interface Deed {
  /** In how many of a hundred. */
  readonly weight: number;
  of<D extends Speaker>(
    world: Stage<D>,
    random: Prng,
    device: D,
    message: Message,
    label: string,
  ): Promise<unknown>;
}

const DEEDS: readonly Deed[] = [
  {
    weight: 34,
    async of(world, _random, device, { conversationId, messageId }) {
      await world.ask(device, "conversations.markRead", { conversationId, messageId });
      device.read.add(messageId);
    },
  },
  {
    weight: 12,
    of(world, _random, device, message, label) {
      const { messageId } = message;
      const text = `${label}.edit`;
      world.memory.saw(message);
      return world.memory.edits.make(messageId, device.name, text, () =>
        world.ask(device, "messages.edit", { messageId, text }),
      );
    },
  },
  {
    weight: 6,
    of(world, _random, device, message) {
      const { messageId } = message;
      world.memory.saw(message);
      return world.memory.erasures.make(messageId, device.name, true, () =>
        world.ask(device, "messages.delete", { messageId, for: "everyone" }),
      );
    },
  },
  {
    weight: 4,
    of(world, _random, device, message) {
      const { messageId } = message;
      world.memory.saw(message);
      const thing = own(device.handle, messageId);
      return world.memory.hidings.make(thing, device.name, true, () =>
        world.ask(device, "messages.delete", { messageId, for: "me" }),
      );
    },
  },
  {
    weight: 20,
    of(world, random, device, { messageId }) {
      const emoji = random.pick(EMOJI);
      const thing = own(device.handle, messageId);
      return world.memory.reactions.make(thing, device.name, emoji, () =>
        world.ask(device, "messages.react", { messageId, emoji }),
      );
    },
  },
  {
    weight: 8,
    of(world, random, device, { messageId }) {
      const starred = random.chance(0.6);
      const thing = own(device.handle, messageId);
      return world.memory.stars.make(thing, device.name, starred, () =>
        world.ask(device, "messages.star", { messageId, starred }),
      );
    },
  },
  {
    weight: 6,
    of(world, random, device, { messageId }) {
      const pinned = random.chance(0.6);
      return world.memory.pins.make(messageId, device.name, pinned, () =>
        world.ask(device, "messages.pin", { messageId, pinned }),
      );
    },
  },
  {
    weight: 10,
    async of(world, _random, device, { conversationId, messageId }, label) {
      return world.send(device, conversationId, `${label}.reply`, messageId);
    },
  },
];

/** Looks at what was said last and does something with one of it. */
export async function speakOf<D extends Speaker>(
  world: Stage<D>,
  random: Prng,
  device: D,
  conversationId: ConversationId,
  label: string,
): Promise<void> {
  let dice = random.between(1, 100);
  const chosen = random.fraction();
  const deed = DEEDS.find(({ weight }) => {
    dice -= weight;
    return dice <= 0;
  }) as Deed;
  const list = await world.ask(device, "messages.list", { conversationId, limit: RECENT });
  const message = list[Math.floor(chosen * list.length)];
  if (message && !message.notice && !message.deleted) {
    await deed.of(world, random, device, message, label);
  }
}

/** Something that concerns the own devices alone. */
export function arrange(
  world: World,
  random: Prng,
  device: Device,
  conversationId: ConversationId,
  label: string,
): Promise<void> {
  const { flags, drafts } = world.memory;
  const { handle, name } = device;
  const thing = own(handle, conversationId);
  const on = random.chance(0.5);
  switch (random.between(1, 4)) {
    case 1:
      return flags.make(`${thing} pinned`, name, on, () =>
        world.ask(device, "conversations.pin", { conversationId, pinned: on }),
      );
    case 2:
      return flags.make(`${thing} archived`, name, on, () =>
        world.ask(device, "conversations.archive", { conversationId, archived: on }),
      );
    case 3:
      return flags.make(`${thing} muted`, name, on, () =>
        world.ask(device, "conversations.mute", { conversationId, until: on ? FOR_EVER : null }),
      );
    default: {
      const text = on ? `${label}.draft` : "";
      return drafts.make(thing, name, text, () =>
        world.ask(device, "conversations.setDraft", { conversationId, text }),
      );
    }
  }
}

/** Blocks somebody for a while, or ends that. */
export function block(world: World, random: Prng, device: Device, other: Device): Promise<void> {
  const { handle } = other;
  // Who is blocked is not heard of, and worlds are to be talked in.
  const blocked = random.chance(0.3);
  return world.memory.blocks.make(own(device.handle, handle), device.name, blocked, () =>
    world.ask(device, "people.block", { handle, blocked }),
  );
}
