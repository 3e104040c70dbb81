import { afterEach, expect, test } from "vitest";
import type { DirectChannel, DirectChannelEvents } from "../../electron/client/ports.js";
import { MAX_DIRECT_FRAME_BYTES } from "../../electron/client/ports.js";
import { nodeTransport } from "../../electron/direct/node-transport.js";
import { fromUtf8, utf8 } from "../../shared/bytes.js";
import { silentLog } from "./helpers.js";

const transport = nodeTransport(silentLog);
const ends: End[] = [];
afterEach(() => {
  for (const end of ends.splice(0)) end.channel.close();
});

/** One end of a channel and everything that it reported. */
class End implements DirectChannelEvents {
  readonly channel: DirectChannel;
  readonly messages: Uint8Array[] = [];
  readonly reasons: string[] = [];
  readonly signals: Uint8Array[] = [];
  isOpen = false;
  carry: (payload: Uint8Array) => void = () => undefined;
  #changed: () => void = () => undefined;

  constructor(initiator: boolean) {
    this.channel = transport.open({ initiator, iceServers: [] }, this);
    ends.push(this);
  }

  signal(payload: Uint8Array): void {
    this.signals.push(payload);
    this.carry(payload);
    this.#changed();
  }
  open(): void {
    this.isOpen = true;
    this.#changed();
  }
  message(message: Uint8Array): void {
    expect(this.isOpen).toBe(true);
    this.messages.push(message);
    this.#changed();
  }
  closed(reason: string): void {
    this.reasons.push(reason);
    this.#changed();
  }

  async until(condition: () => boolean): Promise<void> {
    while (!condition()) {
      await new Promise<void>((resolve) => {
        this.#changed = resolve;
      });
    }
  }
}

async function connect(): Promise<[End, End]> {
  const [a, b] = [new End(true), new End(false)];
  a.carry = (payload) => b.channel.signal(payload);
  b.carry = (payload) => a.channel.signal(payload);
  await Promise.all([a.until(() => a.isOpen), b.until(() => b.isOpen)]);
  return [a, b];
}

test("carries messages both ways, in order and whole, from none to the most bytes", async () => {
  const [a, b] = await connect();
  const sizes = [0, 1, 70_000, MAX_DIRECT_FRAME_BYTES, 3];
  const messages = sizes.map((size, i) => new Uint8Array(size).fill(i + 1));
  for (const message of messages) {
    a.channel.send(message);
    b.channel.send(message);
  }
  await a.until(() => a.messages.length === sizes.length);
  await b.until(() => b.messages.length === sizes.length);
  expect(a.messages.map((each) => Buffer.from(each))).toEqual(messages.map((m) => Buffer.from(m)));
  expect(b.messages.map((each) => Buffer.from(each))).toEqual(messages.map((m) => Buffer.from(m)));
});

test("what one side says at the moment it is open reaches the other, however late that is", async () => {
  const [a, b] = [new End(true), new End(false)];
  a.carry = (payload) => b.channel.signal(payload);
  b.carry = (payload) => a.channel.signal(payload);
  const hello = (end: End) => end.until(() => end.isOpen).then(() => end.channel.send(utf8("hi")));
  await Promise.all([hello(a), hello(b)]);
  await a.until(() => a.messages.length === 1);
  await b.until(() => b.messages.length === 1);
  expect(fromUtf8(b.messages[0] as Uint8Array)).toBe("hi");
});

test("a goodbye sent just before closing arrives, and the other side learns of the end", async () => {
  const [a, b] = await connect();
  a.channel.send(utf8("goodbye"));
  a.channel.close();
  expect(a.reasons).toEqual(["closed here"]);
  await b.until(() => b.reasons.length > 0);
  expect(b.messages.map(fromUtf8)).toEqual(["goodbye"]);
  a.channel.send(utf8("too late"));
  a.channel.close();
  expect([a.reasons.length, b.reasons.length]).toEqual([1, 1]);
});

test("a flood that nobody takes closes the channel instead of filling the memory", async () => {
  const [a] = await connect();
  const message = new Uint8Array(MAX_DIRECT_FRAME_BYTES);
  for (let i = 0; i < 200 && a.reasons.length === 0; i++) a.channel.send(message);
  expect(a.reasons).toEqual(["the other side is too slow"]);
});

test("a message over the limit is the caller's fault and harms nothing", async () => {
  const [a, b] = await connect();
  expect(() => a.channel.send(new Uint8Array(MAX_DIRECT_FRAME_BYTES + 1))).toThrow(RangeError);
  a.channel.send(utf8("still here"));
  await b.until(() => b.messages.length === 1);
});

const candidate = { candidate: "candidate:1 1 udp 1 127.0.0.1 9 typ host", sdpMid: "0" };
test.each([
  ["no JSON", utf8("{")],
  ["no UTF-8", Uint8Array.of(0xff, 0xfe)],
  ["nothing known", utf8('{"type":"transceiverRequest"}')],
  ["an offer without SDP", utf8('{"type":"offer"}')],
  ["an SDP that is none", utf8('{"type":"offer","sdp":"v=0 nonsense"}')],
  ["an answer to no offer", utf8('{"type":"answer","sdp":"v=0"}')],
  [
    "a candidate with a foreign line",
    utf8(JSON.stringify({ type: "candidate", candidate: { ...candidate, sdpMLineIndex: -1 } })),
  ],
  ["more than fits", utf8(JSON.stringify({ type: "offer", sdp: "x".repeat(20_000) }))],
])("a malformed signal closes the channel: %s", async (_what, payload) => {
  const end = new End(false);
  end.channel.signal(payload);
  await end.until(() => end.reasons.length > 0);
  expect(end.reasons).toHaveLength(1);
});

test("more candidates than any machine has close the channel", () => {
  const end = new End(false);
  const payload = utf8(JSON.stringify({ type: "candidate", candidate }));
  for (let i = 0; i < 200; i++) end.channel.signal(payload);
  expect(end.reasons).toEqual(["malformed signal"]);
});

test("a second description in the middle of a session closes the channel", async () => {
  const [a, b] = await connect();
  const offer = a.signals[0] as Uint8Array;
  b.channel.signal(offer);
  await b.until(() => b.reasons.length > 0);
  expect(b.reasons).toEqual(["malformed signal"]);
});

test("closing before the channel is open reports it once, and nothing comes after it", async () => {
  const [a, b] = [new End(true), new End(false)];
  await a.until(() => a.signals.length > 0);
  a.channel.close();
  b.channel.signal(a.signals[0] as Uint8Array);
  await b.until(() => b.signals.length > 0);
  for (const payload of b.signals) a.channel.signal(payload);
  expect(a.reasons).toEqual(["closed here"]);
  expect(a.isOpen).toBe(false);
});
