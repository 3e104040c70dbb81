/** What people do most: they look. Each answer has to keep what was promised, whatever is going on. */
import type { Message } from "../../shared/client-api.js";
import type { ConversationId } from "../../shared/ids.js";
import type { Checker } from "./checker.js";
import type { Device } from "./machine.js";
import type { Prng } from "./virtual-time.js";
import type { World } from "./world.js";

/** As many as a small window shows. */
const PAGE = 12;
/** How often somebody scrolls on. */
const ON = 0.75;

/**
 * Looks through the list of conversations, opens one, scrolls up in it for a while and down again,
 * and looks closer at a message or two.
 */
export async function browse(
  world: World,
  checker: Checker,
  random: Prng,
  device: Device,
  conversationId: ConversationId,
): Promise<void> {
  checker.listed(device, await world.ask(device, "conversations.list", {}));
  const ask = (ends: { [End in "before" | "after" | "around"]?: Message["messageId"] }) =>
    world.ask(device, "messages.list", { conversationId, limit: PAGE, ...ends });
  const newest = await ask({});
  checker.showed(device, newest);
  let page = newest;
  for (let [top] = page; top && random.chance(ON); [top] = page) {
    page = await ask({ before: top.messageId });
    checker.showed(device, [...page, top]);
  }
  for (let last = page.at(-1); last && random.chance(ON); last = page.at(-1)) {
    page = await ask({ after: last.messageId });
    // One that had no place got one meanwhile, perhaps, and is not where it was.
    checker.showed(device, last.seq === null ? page : [last, ...page]);
  }
  for (const message of newest) {
    if (random.chance(0.2)) await lookAt(world, checker, random, device, message);
  }
}

/** Looks at a message in one of the ways that there are. */
async function lookAt(
  world: World,
  checker: Checker,
  random: Prng,
  device: Device,
  { messageId, conversationId, text, mine }: Message,
): Promise<void> {
  const must = (ok: boolean, what: string) => {
    if (!ok) world.violate(`${device.name} ${what}`);
  };
  switch (random.between(1, 7)) {
    case 1: {
      const again = await world.ask(device, "messages.get", { messageId });
      must(again.messageId === messageId, "is given another message than it asked for");
      checker.showed(device, [again]);
      break;
    }
    case 2: {
      const params = { conversationId, limit: PAGE, around: messageId };
      checker.showed(device, await world.ask(device, "messages.list", params));
      break;
    }
    case 3: {
      const [query = ""] = text.split(".");
      if (query === "") break;
      const found = await world.ask(device, "messages.search", { conversationId, query });
      must(
        found.every((each) => each.text.includes(query)),
        `finds what has no ${query} in it`,
      );
      checker.showed(device, [...found].reverse());
      break;
    }
    case 4: {
      const pinned = await world.ask(device, "messages.pinned", { conversationId });
      must(
        pinned.every((each) => each.pinned),
        "is told that something is pinned, and is not",
      );
      break;
    }
    case 5: {
      const starred = await world.ask(device, "messages.starred", { conversationId });
      must(
        starred.every((each) => each.starred),
        "is told that something has a star, and has none",
      );
      break;
    }
    case 6: {
      if (!mine) break;
      const receipts = await world.ask(device, "messages.receipts", { messageId });
      const users = new Set(receipts.map(({ userId }) => userId));
      must(users.size === receipts.length, "is told of somebody's reading twice");
      break;
    }
    default:
      checker.listed(device, [await world.ask(device, "conversations.get", { conversationId })]);
  }
}
