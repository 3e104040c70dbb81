import { beforeEach, expect, test } from "vitest";
import { Notifier, type NotifierHost } from "../../electron/host/notifier.js";
import type {
  ClientApi,
  ClientEvent,
  Conversation,
  Message,
  Settings,
} from "../../shared/client-api.js";
import type { ConversationId } from "../../shared/ids.js";
import { HandClock } from "./hand-clock.js";
import { silentLog } from "./helpers.js";

interface Shown {
  readonly title: string;
  readonly body: string;
  clicked(): void;
  dismissed(): void;
  closed: boolean;
}

let clock: HandClock;
let focused: boolean;
let settings: Settings;
let shown: Shown[];
let opened: ConversationId[];
let conversations: Map<ConversationId, Conversation>;
let emit: (event: ClientEvent) => void;
let notifier: Notifier;

const idOf = (n: number) => String(n).padStart(32, "0") as ConversationId;
const messageOf = (conversationId: ConversationId, text: string, mine = false) =>
  ({ conversationId, text, mine, from: "bob" }) as Message;

beforeEach(() => {
  clock = new HandClock();
  focused = false;
  settings = { directEnabled: true, notifications: true, theme: "system" };
  shown = [];
  opened = [];
  conversations = new Map();
  const client = {
    call: async (method: string, { conversationId }: { conversationId?: ConversationId }) =>
      method === "settings.get" ? settings : conversations.get(conversationId as ConversationId),
    subscribe(listener: (event: ClientEvent) => void) {
      emit = listener;
      return () => {
        emit = () => undefined;
      };
    },
  } as unknown as ClientApi;
  const host: NotifierHost = {
    isFocused: () => focused,
    show(notification) {
      const each = { ...notification, closed: false };
      shown.push(each);
      return {
        close() {
          each.closed = true;
        },
      };
    },
    openConversation: (conversationId) => void opened.push(conversationId),
  };
  notifier = new Notifier(client, host, clock, silentLog);
});

/** A message comes in, and the conversation is as the core would have it then. */
function arrive(n: number, text: string, unread = 1): void {
  const conversationId = idOf(n);
  const lastMessage = messageOf(conversationId, text);
  conversations.set(conversationId, {
    conversationId,
    title: `Person ${n}`,
    unread,
    lastMessage,
  } as Conversation);
  emit({ event: "message.added", data: lastMessage });
}

function read(n: number): void {
  const data = { ...(conversations.get(idOf(n)) as Conversation), unread: 0 };
  conversations.set(idOf(n), data);
  emit({ event: "conversation.changed", data });
}

async function pass(ms: number): Promise<void> {
  clock.pass(ms);
  await new Promise((done) => setImmediate(done));
}

test("a message of somebody else is told of while the window is not in front", async () => {
  arrive(1, "Hello");
  await pass(0);
  expect(shown).toMatchObject([{ title: "Person 1", body: "Hello", closed: false }]);
});

test("an own message, sent from another device, is not told of", async () => {
  emit({ event: "message.added", data: messageOf(idOf(1), "mine", true) });
  await pass(5_000);
  expect(shown).toEqual([]);
});

test("a message that the person sees arriving is not told of; one elsewhere is", async () => {
  focused = true;
  arrive(1, "in front");
  arrive(2, "in another conversation");
  read(1);
  await pass(0);
  expect(shown).toEqual([]);
  await pass(1_000);
  expect(shown).toMatchObject([{ title: "Person 2" }]);
});

test("whoever switched notifications off gets none", async () => {
  settings = { ...settings, notifications: false };
  arrive(1, "Hello");
  await pass(0);
  expect(shown).toEqual([]);
});

test("hundreds of messages after an absence are one notification per conversation", async () => {
  for (let i = 1; i <= 300; i++) arrive(1, `message ${i}`, i);
  arrive(2, "Hello");
  await pass(0);
  expect(shown).toMatchObject([
    { title: "Person 1 (300)", body: "message 300" },
    { title: "Person 2", body: "Hello" },
  ]);
});

test("a later message of the same conversation takes the place of the earlier", async () => {
  arrive(1, "one");
  await pass(0);
  arrive(1, "two", 2);
  await pass(0);
  expect(shown).toMatchObject([
    { body: "one", closed: true },
    { title: "Person 1 (2)", body: "two", closed: false },
  ]);
});

test("there are never more than eight at once, and one that goes makes room", async () => {
  for (let n = 1; n <= 20; n++) arrive(n, "Hello");
  await pass(0);
  expect(shown).toHaveLength(8);
  shown[0]?.dismissed();
  arrive(30, "Hello");
  await pass(0);
  expect(shown.at(-1)).toMatchObject({ title: "Person 30" });
});

test("what is read, here or on another device, is told of no longer", async () => {
  arrive(1, "Hello");
  await pass(0);
  read(1);
  expect(shown).toMatchObject([{ closed: true }]);
});

test("a click opens the conversation that it was about", async () => {
  arrive(1, "one");
  arrive(2, "two");
  await pass(0);
  shown[1]?.clicked();
  expect(opened).toEqual([idOf(2)]);
  expect(shown.map(({ closed }) => closed)).toEqual([false, true]);
});

test("a long text is cut, and closing takes everything away", async () => {
  arrive(1, "x".repeat(10_000));
  await pass(0);
  expect(shown[0]?.body).toHaveLength(200);
  notifier.close();
  arrive(2, "Hello");
  await pass(0);
  expect(shown).toMatchObject([{ closed: true }]);
});
