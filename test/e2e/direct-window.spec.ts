/**
 * The WebRTC window's page in a real Chromium, under its policy, with this process as Electron's main.
 * Of Electron itself it proves nothing: the port is carried by Playwright.
 */
import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { type BrowserContext, expect, test } from "@playwright/test";
import type {
  DirectChannel,
  DirectChannelEvents,
  DirectTransport,
} from "../../electron/client/ports.js";
import { MAX_DIRECT_FRAME_BYTES } from "../../electron/client/ports.js";
import { nodeTransport } from "../../electron/direct/node-transport.js";
import { DIRECT_PORT } from "../../electron/direct/port-name.js";
import type { ToWindow } from "../../electron/direct/window-messages.js";
import { WindowTransport } from "../../electron/direct/window-transport.js";
import { contentTypeOf, fileFor } from "../../electron/security/files.js";
import { pageHeaders } from "../../electron/security/headers.js";
import { nodeClock } from "../../shared/node/runtime.js";
import type { Log } from "../../shared/runtime.js";

const ORIGIN = "https://direct.test";
const BUILT = resolve(import.meta.dirname, "../../dist/direct");
const log: Log = { debug() {}, info() {}, warn() {}, error() {} };

/** JSON for Playwright, which carries no bytes: they travel as lists of numbers. */
type Plain = Record<string, unknown>;
const toPlain = (message: ToWindow): Plain =>
  Object.fromEntries(
    Object.entries(message).map(([key, value]) => [
      key,
      value instanceof Uint8Array ? { bytes: [...value] } : value,
    ]),
  );

/** Opens the page and plays preload and main to it. */
async function windowTransport(context: BrowserContext, faults: string[]) {
  const page = await context.newPage();
  page.on("pageerror", (error) => faults.push(error.message));
  page.on("console", (line) => {
    if (line.type() === "error") faults.push(line.text());
  });
  let receive: (data: unknown) => void = () => undefined;
  await page.exposeFunction("toMain", (message: Plain) => {
    const entries = Object.entries(message).map(([key, value]) => {
      const bytes = (value as { bytes?: number[] } | null)?.bytes;
      return [key, Array.isArray(bytes) ? Uint8Array.from(bytes) : value];
    });
    receive(Object.fromEntries(entries));
  });
  await page.goto(`${ORIGIN}/window.html`);
  await page.evaluate((name) => {
    const world = window as unknown as {
      toMain(message: object): void;
      toPage(message: Record<string, unknown>): void;
    };
    const convert = (message: object, each: (value: unknown) => unknown) =>
      Object.fromEntries(Object.entries(message).map(([key, value]) => [key, each(value)]));
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = ({ data }) =>
      world.toMain(
        convert(data, (value) => (value instanceof Uint8Array ? { bytes: [...value] } : value)),
      );
    world.toPage = (message) =>
      port1.postMessage(
        convert(message, (value) => {
          const bytes = (value as { bytes?: number[] } | null)?.bytes;
          return Array.isArray(bytes) ? Uint8Array.from(bytes) : value;
        }),
      );
    window.postMessage(name, "/", [port2]);
  }, DIRECT_PORT);
  const transport = new WindowTransport(
    (events) => {
      receive = events.message;
      page.on("close", () => events.gone("closed"));
      return {
        post: (message) => {
          void page.evaluate(
            (plain) => (window as unknown as { toPage(message: object): void }).toPage(plain),
            toPlain(message),
          );
        },
        close: () => void page.close(),
      };
    },
    nodeClock,
    log,
  );
  return { transport, page };
}

class End implements DirectChannelEvents {
  readonly channel: DirectChannel;
  readonly messages: Uint8Array[] = [];
  readonly reasons: string[] = [];
  isOpen = false;
  other: End | null = null;
  constructor(transport: DirectTransport, initiator: boolean) {
    this.channel = transport.open({ initiator, iceServers: [] }, this);
  }
  signal(payload: Uint8Array): void {
    this.other?.channel.signal(payload);
  }
  open(): void {
    this.isOpen = true;
  }
  message(message: Uint8Array): void {
    this.messages.push(message);
  }
  closed(reason: string): void {
    this.reasons.push(reason);
  }
}

async function connect(a: DirectTransport, b: DirectTransport): Promise<[End, End]> {
  const ends: [End, End] = [new End(a, true), new End(b, false)];
  [ends[0].other, ends[1].other] = [ends[1], ends[0]];
  await expect.poll(() => ends.every((end) => end.isOpen)).toBe(true);
  return ends;
}

const outline = (message: Uint8Array) => [message.length, message[0], message.at(-1)];

async function talk([a, b]: [End, End]): Promise<void> {
  const messages = [Uint8Array.of(1), new Uint8Array(MAX_DIRECT_FRAME_BYTES).fill(2)];
  for (const message of messages) {
    a.channel.send(message);
    b.channel.send(message);
  }
  for (const end of [a, b]) {
    await expect.poll(() => end.messages.length).toBe(messages.length);
    expect(end.messages.map(outline)).toEqual(messages.map(outline));
  }
}

test.beforeEach(async ({ context }) => {
  test.skip(test.info().project.name !== "browser", "runs once, in the project browser");
  await context.route(`${ORIGIN}/**`, async (route) => {
    const file = fileFor(BUILT, new URL(route.request().url()).pathname);
    if (file === null) return route.fulfill({ status: 404 });
    const headers = { ...pageHeaders([]), "content-type": contentTypeOf(file) };
    return route.fulfill({ headers, body: await readFile(file) });
  });
});

test("two windows talk directly, within the strict policy", async ({ context }) => {
  const faults: string[] = [];
  const a = await windowTransport(context, faults);
  const b = await windowTransport(context, faults);
  const ends = await connect(a.transport, b.transport);
  await talk(ends);
  ends[0].channel.close();
  await expect.poll(() => ends[1].reasons.length).toBe(1);
  expect(ends[0].reasons).toEqual(["closed here"]);
  expect(faults).toEqual([]);
});

test("a window and a host without one talk directly, whoever begins", async ({ context }) => {
  const faults: string[] = [];
  const { transport } = await windowTransport(context, faults);
  const node = nodeTransport(log);
  const pairs: [DirectTransport, DirectTransport][] = [
    [transport, node],
    [node, transport],
  ];
  for (const [first, second] of pairs) {
    const ends = await connect(first, second);
    await talk(ends);
    for (const end of ends) end.channel.close();
  }
  expect(faults).toEqual([]);
});

test("a window that goes takes its channels with it, and main learns it at once", async ({
  context,
}) => {
  const faults: string[] = [];
  const { transport, page } = await windowTransport(context, faults);
  const [inWindow] = await connect(transport, nodeTransport(log));
  await page.close();
  await expect.poll(() => inWindow.reasons).toEqual(["the WebRTC window is gone: closed"]);
  transport.close();
});
