import { MessageChannel } from "node:worker_threads";
import { beforeEach, expect, test } from "vitest";
import type { DirectChannel, DirectChannelEvents } from "../../electron/client/ports.js";
import { MAX_DIRECT_FRAME_BYTES } from "../../electron/client/ports.js";
import type { ToWindow } from "../../electron/direct/window-messages.js";
import { WindowPeers } from "../../electron/direct/window-peers.js";
import {
  type DirectWindow,
  type DirectWindowEvents,
  WindowTransport,
} from "../../electron/direct/window-transport.js";
import { utf8 } from "../../shared/bytes.js";
import { HandClock } from "./hand-clock.js";
import { silentLog } from "./helpers.js";

/** A window that takes nothing by itself. */
class FakeWindow implements DirectWindow {
  readonly posted: ToWindow[] = [];
  readonly events: DirectWindowEvents;
  closed = false;
  constructor(events: DirectWindowEvents) {
    this.events = events;
  }
  post(message: ToWindow): void {
    this.posted.push(message);
  }
  close(): void {
    this.closed = true;
  }
}

class Reported implements DirectChannelEvents {
  readonly all: unknown[] = [];
  signal = (payload: Uint8Array) => void this.all.push(["signal", ...payload]);
  open = () => void this.all.push("open");
  message = (message: Uint8Array) => void this.all.push(["message", ...message]);
  closed = (reason: string) => void this.all.push(`closed: ${reason}`);
}

let clock: HandClock;
let windows: FakeWindow[];
let transport: WindowTransport;
const window = (): FakeWindow => windows.at(-1) as FakeWindow;
beforeEach(() => {
  clock = new HandClock();
  windows = [];
  const open = (events: DirectWindowEvents) => {
    windows.push(new FakeWindow(events));
    return window();
  };
  transport = new WindowTransport(open, clock, silentLog);
});

function openChannel(): { channel: DirectChannel; reported: Reported } {
  const reported = new Reported();
  const channel = transport.open({ initiator: true, iceServers: [] }, reported);
  return { channel, reported };
}

test("each channel gets what is its own, and nothing after its end", () => {
  const [a, b] = [openChannel(), openChannel()];
  expect(window().posted.map(({ kind, channel }) => [kind, channel])).toEqual([
    ["open", 1],
    ["open", 2],
  ]);
  window().events.message({ kind: "open", channel: 2 });
  window().events.message({ kind: "message", channel: 2, message: Uint8Array.of(7) });
  window().events.message({ kind: "signal", channel: 1, payload: Uint8Array.of(8) });
  window().events.message({ kind: "closed", channel: 2, reason: "enough" });
  window().events.message({ kind: "message", channel: 2, message: Uint8Array.of(9) });
  b.channel.send(Uint8Array.of(1));
  b.channel.close();
  expect(a.reported.all).toEqual([["signal", 8]]);
  expect(b.reported.all).toEqual(["open", ["message", 7], "closed: enough"]);
  expect(window().posted).toHaveLength(2);
});

test("when the window crashes all channels end at once, and a new window takes new ones", () => {
  const { channel, reported } = openChannel();
  window().events.gone("crashed");
  expect(reported.all).toEqual(["closed: the WebRTC window is gone: crashed"]);
  channel.send(Uint8Array.of(1));
  expect(transport.available).toBe(false);
  clock.pass(250);
  expect(transport.available).toBe(true);
  expect(windows).toHaveLength(2);
  openChannel();
  expect(window().posted).toMatchObject([{ kind: "open", channel: 2 }]);
});

test("a window that crashes again and again is opened less and less often", () => {
  const opened: number[] = [];
  for (let i = 0; i < 200; i++) {
    if (transport.available) window().events.gone("crashed");
    clock.pass(1_000);
    opened.push(windows.length);
  }
  expect(opened.at(-1)).toBeLessThan(14);
});

test("between two windows a channel fails like one that cannot connect", async () => {
  window().events.gone("crashed");
  const { reported } = openChannel();
  expect(reported.all).toEqual([]);
  await Promise.resolve();
  expect(reported.all).toEqual(["closed: there is no WebRTC window"]);
});

test.each([
  ["nothing known", { kind: "eval", channel: 1 }],
  [
    "more than a message",
    { kind: "message", channel: 1, message: new Uint8Array(MAX_DIRECT_FRAME_BYTES + 1) },
  ],
  ["a message that is text", { kind: "message", channel: 1, message: "hello" }],
  ["no object", "open"],
])("a window that says %s is ended as one that somebody got into", (_what, data) => {
  const { reported } = openChannel();
  const suspect = window();
  suspect.events.message(data);
  expect(suspect.closed).toBe(true);
  expect(reported.all).toHaveLength(1);
  suspect.events.message({ kind: "open", channel: 1 });
  expect(reported.all).toHaveLength(1);
});

test("a window that takes nothing more ends the channel instead of filling the memory", () => {
  const { channel, reported } = openChannel();
  const message = new Uint8Array(MAX_DIRECT_FRAME_BYTES);
  for (let i = 0; i < 200 && reported.all.length === 0; i++) channel.send(message);
  expect(reported.all).toEqual(["closed: the WebRTC window is too slow"]);
  const sent = window().posted.filter(({ kind }) => kind === "send").length;
  expect(sent).toBe((8 * 1024 * 1024) / MAX_DIRECT_FRAME_BYTES);
});

test("a window that takes what it gets may get any amount", () => {
  const { channel, reported } = openChannel();
  const message = new Uint8Array(MAX_DIRECT_FRAME_BYTES);
  for (let i = 0; i < 200; i++) {
    channel.send(message);
    window().events.message({ kind: "taken", channel: 1, bytes: message.length });
  }
  expect(reported.all).toEqual([]);
});

test("closing ends all channels and the window, and opens none again", () => {
  const { reported } = openChannel();
  const last = window();
  transport.close();
  last.events.gone("closed");
  clock.pass(100_000);
  expect(reported.all).toEqual(["closed: closing"]);
  expect([last.closed, windows.length]).toEqual([true, 1]);
});

test("over a real port, the window's side does as it is told and tells what happens", async () => {
  const { port1, port2 } = new MessageChannel();
  const opened: { events: DirectChannelEvents; did: unknown[] }[] = [];
  const peers = new WindowPeers(
    (message) => port2.postMessage(message),
    (_options, events) => {
      const did: unknown[] = [];
      opened.push({ events, did });
      return {
        signal: (payload) => void did.push(["signal", ...payload]),
        send: (message) => void did.push(["send", ...message]),
        close: () => void did.push("close"),
      };
    },
  );
  port2.on("message", (data) => peers.receive(data));
  const over = new WindowTransport(
    (events) => {
      port1.on("message", (data) => events.message(data));
      return { post: (message) => port1.postMessage(message), close: () => port1.close() };
    },
    clock,
    silentLog,
  );
  const reported = new Reported();
  const ended = new Promise<void>((resolve) => {
    const record = reported.closed;
    reported.closed = (reason) => {
      record(reason);
      resolve();
    };
  });
  const iceServers = [{ urls: ["stun:127.0.0.1:3478"], username: null, credential: null }];
  const channel = over.open({ initiator: false, iceServers }, reported);
  reported.open = () => {
    reported.all.push("open");
    channel.signal(Uint8Array.of(1));
    channel.send(utf8("a"));
    channel.close();
  };
  port2.on("message", ({ kind }) => {
    const peer = opened[0];
    if (kind === "open") peer?.events.open();
  });
  await ended;
  await new Promise<void>((resolve) => {
    port2.on("message", ({ kind }) => kind === "close" && resolve());
  });
  expect(reported.all).toEqual(["open", "closed: closed here"]);
  expect(opened[0]?.did).toEqual([["signal", 1], ["send", 97], "close"]);
  over.close();
});
