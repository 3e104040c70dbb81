import { beforeEach, expect, test } from "vitest";
import { Notifier, type NotifierHost } from "../../electron/host/notifier.js";
import type { Alert, ClientEvent, Conversation } from "../../shared/client-api.js";
import type { ConversationId } from "../../shared/ids.js";

interface Shown {
  readonly title: string;
  readonly body: string;
  clicked(): void;
  dismissed(): void;
  closed: boolean;
}

let shown: Shown[];
let opened: ConversationId[];
let emit: (event: ClientEvent) => void;
let notifier: Notifier;

const idOf = (n: number) => String(n).padStart(32, "0") as ConversationId;

beforeEach(() => {
  shown = [];
  opened = [];
  const client = {
    subscribe(listener: (event: ClientEvent) => void) {
      emit = listener;
      return () => {
        emit = () => undefined;
      };
    },
  };
  const host: NotifierHost = {
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
  notifier = new Notifier(client, host);
});

function alert(n: number, body: string): void {
  const data = { conversationId: idOf(n), title: `Person ${n}`, body } as Alert;
  emit({ event: "alert", data });
}

function changed(n: number, unread: number): void {
  const data = { conversationId: idOf(n), unread } as Conversation;
  emit({ event: "conversation.changed", data });
}

test("an alert is shown as the core worded it", () => {
  alert(1, "Hello");
  expect(shown).toMatchObject([{ title: "Person 1", body: "Hello", closed: false }]);
});

test("a message without an alert is not told of", () => {
  emit({ event: "message.added", data: { conversationId: idOf(1) } as never });
  changed(1, 1);
  expect(shown).toEqual([]);
});

test("a later alert of the same conversation takes the place of the earlier", () => {
  alert(1, "one");
  alert(1, "two");
  expect(shown).toMatchObject([
    { body: "one", closed: true },
    { body: "two", closed: false },
  ]);
});

test("there are never more than eight at once, and one that goes makes room", () => {
  for (let n = 1; n <= 20; n++) alert(n, "Hello");
  expect(shown).toHaveLength(8);
  shown[0]?.dismissed();
  alert(30, "Hello");
  expect(shown.at(-1)).toMatchObject({ title: "Person 30" });
});

test("what is read, here or on another device, is told of no longer", () => {
  alert(1, "Hello");
  changed(1, 1);
  expect(shown).toMatchObject([{ closed: false }]);
  changed(1, 0);
  expect(shown).toMatchObject([{ closed: true }]);
});

test("a click opens the conversation that it was about", () => {
  alert(1, "one");
  alert(2, "two");
  shown[1]?.clicked();
  expect(opened).toEqual([idOf(2)]);
  expect(shown.map(({ closed }) => closed)).toEqual([false, true]);
});

test("closing takes everything away", () => {
  alert(1, "Hello");
  notifier.close();
  alert(2, "Hello");
  expect(shown).toMatchObject([{ closed: true }]);
});
