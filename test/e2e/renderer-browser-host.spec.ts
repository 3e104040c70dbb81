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
  "conversations.setDraft": {},
};

class Host {
  readonly offered: string[][] = [];
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
        const known = Object.hasOwn(answers, request.method);
        const outcome = known
          ? { result: answers[request.method] }
          : { error: { code: -32_000, message: "no", data: { code: "disk_full" } } };
        socket.send(JSON.stringify({ jsonrpc: "2.0", id: request.id, ...outcome }));
      });
    });
    return host;
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

test("the page notifies about what is not in front, and only that", async ({ page }) => {
  await page.addInitScript(() => {
    const shown: string[] = [];
    class Recorded extends EventTarget {
      static readonly permission = "granted";
      constructor(title: string, options: NotificationOptions) {
        super();
        shown.push(`${title}: ${options.body}`);
      }
    }
    Object.assign(window, { Notification: Recorded, shown });
  });
  const shown = () => page.evaluate(() => (window as unknown as { shown: string[] }).shown);
  const host = await Host.serve(page);
  await page.goto(`${ORIGIN}/#secret=${SECRET}`);
  await expect(page.getByTestId("conversation-item")).toBeVisible();
  host.tell("message.added", fromAlice("are you there?"));
  await expect.poll(shown).toEqual(["Alice: are you there?"]);
  await page.getByTestId("conversation-item").click();
  const second = { ...fromAlice("in front"), seq: 2, messageId: `${id("4")}.${id("5")}.2` };
  host.tell("message.added", second);
  await expect(page.getByTestId("message")).toContainText("in front");
  expect(await shown()).toHaveLength(1);
});
