/**
 * The page of Electron's never-shown window in a real Chromium under its real policy, with main's
 * side of it here. The way between the two is Playwright's instead of Electron's.
 */
import { resolve } from "node:path";
import { type BrowserContext, expect, test } from "@playwright/test";
import type { DirectChannel, DirectChannelEvents } from "../../electron/client/ports.js";
import { DIRECT_PORT } from "../../electron/direct/port-name.js";
import {
  type DirectWindowEvents,
  WindowTransport,
} from "../../electron/direct/window-transport.js";
import { fileFor } from "../../electron/security/files.js";
import { pageHeaders } from "../../electron/security/headers.js";
import { nodeClock } from "../../shared/node/runtime.js";

const FILES = resolve(import.meta.dirname, "../../dist/direct");
/** `app:` is Electron's; this stands for it. Secure enough for Chromium, and reached by no network. */
const ORIGIN = "http://127.0.0.1:4997";
const silentLog = { debug() {}, info() {}, warn() {}, error() {} };

/** Playwright carries JSON; bytes go as a list of numbers under this name. */
const BYTES = "$bytes";
type Fields = Record<string, unknown>;
const pack = (message: object): Fields =>
  Object.fromEntries(
    Object.entries(message).map(([name, value]) => [
      name,
      value instanceof Uint8Array ? { [BYTES]: [...value] } : value,
    ]),
  );
const unpack = (fields: Fields): Fields =>
  Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [
      name,
      typeof value === "object" && value !== null && BYTES in value
        ? Uint8Array.from(value[BYTES] as number[])
        : value,
    ]),
  );

async function openTransport(context: BrowserContext): Promise<WindowTransport> {
  const page = await context.newPage();
  const problems: string[] = [];
  page.on("console", (message) => {
    if (message.type() === "error") problems.push(message.text());
  });
  page.on("pageerror", (error) => problems.push(error.message));
  await page.route(`${ORIGIN}/**`, async (route) => {
    const path = fileFor(FILES, new URL(route.request().url()).pathname);
    if (path) await route.fulfill({ path, headers: pageHeaders([]) });
    else await route.fulfill({ status: 404 });
  });
  let events: DirectWindowEvents | undefined;
  await page.exposeFunction("toMain", (fields: Fields) => events?.message(unpack(fields)));
  await page.goto(`${ORIGIN}/window.html`);
  await page.evaluate(
    ([name, bytes]) => {
      const { port1, port2 } = new MessageChannel();
      const world = window as unknown as {
        toMain(fields: object): void;
        fromMain(fields: Record<string, unknown>): void;
      };
      port1.onmessage = ({ data }) => {
        const fields = Object.entries(data).map(([key, value]) => [
          key,
          value instanceof Uint8Array ? { [bytes]: [...value] } : value,
        ]);
        world.toMain(Object.fromEntries(fields));
      };
      world.fromMain = (message) => {
        const fields = Object.entries(message).map(([key, value]) => {
          const list = (value as Record<string, number[]> | null)?.[bytes];
          return [key, list ? Uint8Array.from(list) : value];
        });
        port1.postMessage(Object.fromEntries(fields));
      };
      window.postMessage(name, "/", [port2]);
    },
    [DIRECT_PORT, BYTES] as const,
  );
  let queue = Promise.resolve();
  const transport = new WindowTransport(
    (given) => {
      events = given;
      return {
        post: (message) => {
          // One after the other: a port keeps the order, and separate calls need not.
          queue = queue
            .then(() =>
              page.evaluate(
                (fields) =>
                  (window as unknown as { fromMain(fields: object): void }).fromMain(fields),
                pack(message),
              ),
            )
            // The page was closed while this was on its way.
            .catch(() => undefined);
        },
        close: () => void page.close(),
      };
    },
    nodeClock,
    silentLog,
  );
  expect(problems).toEqual([]);
  return transport;
}

class End implements DirectChannelEvents {
  other: DirectChannel | null = null;
  readonly early: Uint8Array[] = [];
  readonly received: Uint8Array[] = [];
  opened = false;
  ended: string | null = null;

  signal(payload: Uint8Array): void {
    if (this.other) this.other.signal(payload);
    else this.early.push(payload);
  }
  open(): void {
    this.opened = true;
  }
  message(message: Uint8Array): void {
    this.received.push(message);
  }
  closed(reason: string): void {
    this.ended = reason;
  }
  /** From now on its signals go there. */
  join(other: DirectChannel): void {
    this.other = other;
    for (const payload of this.early.splice(0)) other.signal(payload);
  }
}

test("two windows open a channel, carry bytes both ways and notice its end", async ({
  context,
}) => {
  const [a, b] = [await openTransport(context), await openTransport(context)];
  const [alice, bob] = [new End(), new End()];
  const toBob = a.open({ initiator: true, iceServers: [] }, alice);
  const toAlice = b.open({ initiator: false, iceServers: [] }, bob);
  alice.join(toAlice);
  bob.join(toBob);
  await expect.poll(() => [alice.opened, bob.opened]).toEqual([true, true]);

  const large = Uint8Array.from({ length: 131_072 }, (_, i) => i % 251);
  toBob.send(Uint8Array.of(1, 2, 3));
  toBob.send(large);
  toAlice.send(Uint8Array.of(4));
  await expect.poll(() => bob.received.length).toBe(2);
  expect([...(bob.received[0] ?? [])]).toEqual([1, 2, 3]);
  expect(Buffer.from(bob.received[1] ?? []).equals(large)).toBe(true);
  await expect.poll(() => alice.received.map((message) => [...message])).toEqual([[4]]);

  toBob.close();
  expect(alice.ended).toBe("closed here");
  await expect.poll(() => bob.ended).not.toBeNull();
  for (const transport of [a, b]) transport.close();
});

test("a signal that is none ends the channel and not the window", async ({ context }) => {
  const transport = await openTransport(context);
  const end = new End();
  transport.open({ initiator: true, iceServers: [] }, end).signal(Uint8Array.of(1, 2, 3));
  await expect.poll(() => end.ended).not.toBeNull();
  expect(transport.available).toBe(true);
  transport.close();
});
