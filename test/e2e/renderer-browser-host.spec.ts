/** How the page talks to the browser host, played here by a WebSocket that answers from a table. */
import { expect, type Page, test, type WebSocketRoute } from "@playwright/test";
import { message } from "../renderer/message.js";
import { ORIGIN, serveRenderer } from "./fake-host.js";

const SECRET = "s".repeat(43);
const id = (digit: string) => digit.repeat(32);
const account = {
  userId: id("1"),
  deviceId: id("2"),
  handle: "bob",
  displayName: "Bob",
  relay: "ws://relay.example",
};
const alice = { userId: id("3"), handle: "alice", displayName: "Alice" };
const conversation = {
  conversationId: id("4"),
  kind: "direct",
  title: "Alice",
  members: [alice],
  lastMessage: null,
  unread: 0,
  behind: 0,
  draft: "",
};
const connection = {
  relay: "connected",
  relayUrl: account.relay,
  retryAt: null,
  error: null,
  direct: [],
};
const settings = { directEnabled: true, notifications: true, theme: "system" };
const answers: Readonly<Record<string, unknown>> = {
  "account.get": account,
  "settings.get": settings,
  "connection.get": connection,
  "conversations.list": [conversation],
  "presence.get": [],
  "messages.list": [],
  "typing.set": {},
  "attention.set": {},
  "conversations.setDraft": {},
};

class Host {
  readonly offered: string[][] = [];
  readonly #asked: { readonly method: string; readonly params: unknown }[] = [];
  #socket: WebSocketRoute | null = null;
  #accepts = true;

  static async serve(page: Page): Promise<Host> {
    const host = new Host();
    await serveRenderer(page);
    await page.routeWebSocket(`${ORIGIN.replace("http", "ws")}/api`, (socket) => {
      host.offered.push(socket.protocols());
      if (!host.#accepts) return void socket.close();
      host.#socket = socket;
      socket.onMessage((text) => {
        const request = JSON.parse(String(text));
        host.#asked.push(request);
        const known = Object.hasOwn(answers, request.method);
        const outcome = known
          ? { result: answers[request.method] }
          : { error: { code: -32_000, message: "no", data: { code: "disk_full" } } };
        socket.send(JSON.stringify({ jsonrpc: "2.0", id: request.id, ...outcome }));
      });
    });
    return host;
  }

  /** The parameters of the page's calls of that method. */
  calls(method: string): unknown[] {
    return this.#asked.filter((each) => each.method === method).map(({ params }) => params);
  }

  tell(method: string, params: unknown): void {
    this.#socket?.send(JSON.stringify({ jsonrpc: "2.0", method, params }));
  }

  async stop(): Promise<void> {
    this.#accepts = false;
    await this.#socket?.close();
  }

  start(): void {
    this.#accepts = true;
  }
}

const fromAlice = (text: string) => ({
  ...message(1),
  messageId: `${conversation.conversationId}.${id("5")}.1`,
  conversationId: conversation.conversationId,
  text,
  sentAt: Date.now(),
});

test("the secret leaves the address at once, goes along as a subprotocol and outlives a reload", async ({
  page,
}) => {
  const host = await Host.serve(page);
  await page.goto(`${ORIGIN}/#secret=${SECRET}`);
  await expect(page.getByTestId("conversation-item")).toBeVisible();
  expect(page.url()).toBe(`${ORIGIN}/`);
  await page.reload();
  await expect(page.getByTestId("conversation-item")).toBeVisible();
  const wanted = ["dovetail", `secret.${SECRET}`];
  expect(host.offered).toEqual([wanted, wanted]);
});

test("says when the host has stopped, and comes back with it without losing a word", async ({
  page,
}) => {
  const host = await Host.serve(page);
  await page.goto(`${ORIGIN}/#secret=${SECRET}`);
  await page.getByTestId("conversation-item").click();
  await page.getByTestId("composer-input").fill("still being written");
  await host.stop();
  const stopped = page.getByRole("heading", { name: "Dovetail has stopped on this computer" });
  await expect(stopped).toBeVisible();
  await expect.poll(() => host.offered.length).toBeGreaterThan(2);
  host.start();
  await expect(stopped).toHaveCount(0);
  await expect(page.getByTestId("composer-input")).toHaveValue("still being written");
});

test("a page opened while the host is gone begins as soon as it is there", async ({ page }) => {
  const host = await Host.serve(page);
  await host.stop();
  await page.goto(`${ORIGIN}/#secret=${SECRET}`);
  await expect(page.getByText("Dovetail has stopped on this computer")).toBeVisible();
  host.start();
  await expect(page.getByTestId("conversation-item")).toBeVisible();
});

test("an error keeps its code over the wire, and nonsense from it is ignored", async ({ page }) => {
  const host = await Host.serve(page);
  await page.goto(`${ORIGIN}/#secret=${SECRET}`);
  await page.getByTestId("conversation-item").click();
  host.tell("message.invented", {});
  host.tell("message.added", null);
  await page.getByTestId("composer-input").fill("hello");
  await page.keyboard.press("Enter");
  await expect(page.getByText("The disk is full.")).toBeVisible();
});

test("the page shows what the core alerts to, and withdraws it once it is read", async ({
  page,
}) => {
  await page.addInitScript(() => {
    const shown: string[] = [];
    class Recorded extends EventTarget {
      static readonly permission = "granted";
      readonly #line: string;
      constructor(title: string, options: NotificationOptions) {
        super();
        this.#line = `${title}: ${options.body}`;
        shown.push(this.#line);
      }
      close(): void {
        shown.splice(shown.indexOf(this.#line), 1);
      }
    }
    Object.assign(window, { Notification: Recorded, shown });
  });
  const shown = () => page.evaluate(() => (window as unknown as { shown: string[] }).shown);
  const host = await Host.serve(page);
  await page.goto(`${ORIGIN}/#secret=${SECRET}`);
  await expect(page.getByTestId("conversation-item")).toBeVisible();
  const { conversationId, messageId, text } = fromAlice("are you there?");
  host.tell("message.added", fromAlice("are you there?"));
  host.tell("alert", { conversationId, messageId, title: "Alice", body: text });
  await expect.poll(shown).toEqual(["Alice: are you there?"]);
  host.tell("conversation.changed", { ...conversation, unread: 0 });
  await expect.poll(shown).toEqual([]);
});

test("the page tells what the person has in front, and that it shows alerts", async ({ page }) => {
  await page.addInitScript(() => {
    Object.assign(window, {
      Notification: Object.assign(class extends EventTarget {}, { permission: "granted" }),
    });
  });
  const host = await Host.serve(page);
  await page.goto(`${ORIGIN}/#secret=${SECRET}`);
  const told = () => host.calls("attention.set").at(-1);
  await expect.poll(told).toEqual({ conversationId: null, active: true, alerts: true });
  await page.getByTestId("conversation-item").click();
  const { conversationId } = conversation;
  await expect.poll(told).toEqual({ conversationId, active: true, alerts: true });
  // A browser under test has its focus always.
  await page.evaluate(() => {
    document.hasFocus = () => false;
    window.dispatchEvent(new Event("blur"));
  });
  await expect.poll(told).toEqual({ conversationId: null, active: false, alerts: true });
});
