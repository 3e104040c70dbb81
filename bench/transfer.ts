/** How fast a new device gets a long history directly from another one, and how fast a bare channel is. */
import { join } from "node:path";
import { encodeContent } from "../electron/client/content.js";
import { MAX_ENTRIES } from "../shared/limits.js";
import { measureChannelThroughput } from "./floors.js";
import { Headless } from "./processes.js";
import { RelayClient } from "./relay-client.js";

const MESSAGES = 100_000;
const TEXT = "x".repeat(100);
/** As large as the pages of history are. */
const MESSAGE_BYTES = 65_536;

export interface TransferRate {
  /** Messages that came directly, and how many of them in a second. */
  readonly messages: number;
  readonly perSecond: number;
  /** Of the messages' payloads. */
  readonly bytesPerSecond: number;
  readonly channelBytesPerSecond: number;
}

const payloadOf = (n: number): Uint8Array =>
  encodeContent({
    clock: { wall: 1_700_000_000_000 + n, counter: 0 },
    sentAt: 1_700_000_000_000 + n,
    body: { type: "text", text: `${n} ${TEXT}` },
  });

export async function measureTransfer(
  folder: string,
  relay: { url: string },
): Promise<TransferRate> {
  const old = new Headless(join(folder, "old"), relay.url);
  const fresh = new Headless(join(folder, "fresh"), relay.url);
  const writer = new RelayClient(relay.url);
  try {
    await old.call("account.register", { handle: "reader", displayName: "Reader" });
    await writer.register("writer");
    await writer.openWith("reader");
    const all = old.next(
      "conversation.changed",
      ({ lastMessage, behind }) => lastMessage?.seq === MESSAGES && behind === 0,
    );
    let bytes = 0;
    for (let from = 0; from < MESSAGES; from += MAX_ENTRIES) {
      const payloads = Array.from({ length: MAX_ENTRIES }, (_, i) => payloadOf(from + i));
      bytes += payloads.reduce((sum, { length }) => sum + length, 0);
      await writer.append(payloads);
    }
    await all;
    const { code } = await old.call("devices.pair", {});
    const last = fresh.next(
      "conversation.changed",
      ({ lastMessage, behind }) => lastMessage?.seq === MESSAGES && behind === 0,
    );
    // What had come by the first word of progress does not count.
    let begun = 0;
    const first = fresh.next("transfer.changed", ({ transfers }) => {
      begun = transfers[0]?.done ?? 0;
      return begun > 0;
    });
    await fresh.call("account.link", { code });
    // From the first word of progress on, so that linking and opening the channel do not count.
    const seconds = (-(await first) + (await last)) / 1000;
    const messages = MESSAGES - begun;
    return {
      messages,
      perSecond: messages / seconds,
      bytesPerSecond: ((bytes / MESSAGES) * messages) / seconds,
      channelBytesPerSecond: await measureChannelThroughput(bytes, MESSAGE_BYTES),
    };
  } finally {
    writer.close();
    await Promise.all([old.close(), fresh.close()]);
  }
}

export function reportTransfer(rate: TransferRate): string {
  const mega = (bytes: number) => `${(bytes / 1e6).toFixed(1)} MB/s`;
  const ratio = (rate.channelBytesPerSecond / rate.bytesPerSecond).toFixed(1);
  return [
    "| messages moved directly | a second | of payload | bare data channel | ratio |",
    "| ---: | ---: | ---: | ---: | ---: |",
    `| ${rate.messages.toLocaleString("en")} | ${Math.round(rate.perSecond).toLocaleString("en")} | ${mega(rate.bytesPerSecond)} | ${mega(rate.channelBytesPerSecond)} | ${ratio}× |`,
    "",
  ].join("\n");
}
