/** What the pieces underneath can do with nothing of ours on top, on the same machine and minute. */
import { once } from "node:events";
import { join } from "node:path";
import wrtc from "@roamhq/wrtc";
import { Level } from "level";
import { WebSocket } from "ws";
import { PAYLOAD_BYTES } from "./appends.js";
import { readReady, startProgram, stopProgram } from "./processes.js";
import { type Latency, sampleOneByOne } from "./stats.js";

const SAMPLES = 2_000;
const WARM_UP = 200;
const LEVEL_MEASURE_MS = 4_000;

/** There and back through another process: two hops, as from a sender by a relay to a receiver. */
export async function measureWsEcho(): Promise<Latency> {
  const server = startProgram("bench", ["echo"]);
  const { url } = await readReady<{ url: string }>(server);
  const socket = new WebSocket(url, { perMessageDeflate: false });
  try {
    await once(socket, "open");
    const payload = new Uint8Array(PAYLOAD_BYTES);
    return await sampleOneByOne(SAMPLES, WARM_UP, async () => {
      const sentAt = performance.now();
      const returned = once(socket, "message");
      socket.send(payload);
      await returned;
      return performance.now() - sentAt;
    });
  } finally {
    socket.close();
    await stopProgram(server);
  }
}

async function connect(a: RTCPeerConnection, b: RTCPeerConnection): Promise<void> {
  for (const [from, to] of [
    [a, b],
    [b, a],
  ] as const) {
    from.onicecandidate = ({ candidate }) => {
      if (candidate) void to.addIceCandidate(candidate);
    };
  }
  await a.setLocalDescription(await a.createOffer());
  await b.setRemoteDescription(a.localDescription as RTCSessionDescription);
  await b.setLocalDescription(await b.createAnswer());
  await a.setRemoteDescription(b.localDescription as RTCSessionDescription);
}

/** Both ends of an open data channel in this process, for as long as it is used. */
async function withChannel<T>(
  use: (channel: RTCDataChannel, receiver: RTCDataChannel) => Promise<T>,
): Promise<T> {
  const [a, b] = [new wrtc.RTCPeerConnection(), new wrtc.RTCPeerConnection()];
  try {
    const channel = a.createDataChannel("bench");
    const opened = new Promise((resolve) => {
      channel.onopen = resolve;
    });
    const receiving = new Promise<RTCDataChannel>((resolve) => {
      b.ondatachannel = (event) => resolve(event.channel);
    });
    await connect(a, b);
    const [receiver] = await Promise.all([receiving, opened]);
    return await use(channel, receiver);
  } finally {
    a.close();
    b.close();
  }
}

/** Bytes per second over a data channel, in messages of that size. */
export function measureChannelThroughput(bytes: number, messageBytes: number): Promise<number> {
  return withChannel(async (channel, receiver) => {
    const count = Math.ceil(bytes / messageBytes);
    const payload = new Uint8Array(messageBytes);
    const startedAt = performance.now();
    await new Promise<void>((resolve) => {
      let received = 0;
      receiver.onmessage = () => {
        if (++received === count) resolve();
      };
      let sent = 0;
      const more = () => {
        while (sent < count && channel.bufferedAmount < 8 * messageBytes) {
          channel.send(payload);
          sent++;
        }
        if (sent < count) setImmediate(more);
      };
      more();
    });
    return (count * messageBytes * 1000) / (performance.now() - startedAt);
  });
}

/** One way over a data channel between two peers of one process, which share a clock. */
export function measureDataChannel(): Promise<Latency> {
  return withChannel(async (channel, receiver) => {
    const payload = new Uint8Array(PAYLOAD_BYTES);
    return await sampleOneByOne(SAMPLES, WARM_UP, async () => {
      const received = new Promise((resolve) => {
        receiver.onmessage = resolve;
      });
      const sentAt = performance.now();
      channel.send(payload);
      await received;
      return performance.now() - sentAt;
    });
  });
}

/** Rows per second written in synchronous batches of that many, one batch after the other. */
export async function measureLevel(folder: string, batch: number): Promise<number> {
  const level = new Level<string, Uint8Array>(join(folder, "level"), { valueEncoding: "view" });
  await level.open();
  try {
    const value = new Uint8Array(PAYLOAD_BYTES);
    const from = performance.now();
    let rows = 0;
    while (performance.now() - from < LEVEL_MEASURE_MS) {
      const writes = Array.from({ length: batch }, () => ({
        type: "put" as const,
        key: String(rows++).padStart(11, "0"),
        value,
      }));
      await level.batch(writes, { sync: true });
    }
    return (rows * 1000) / (performance.now() - from);
  } finally {
    await level.close();
  }
}
