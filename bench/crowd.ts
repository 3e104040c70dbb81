/**
 * Many people in one process: whole client cores, each with a database in memory and a WebSocket of
 * its own, because a thousand processes do not fit a machine.
 */
import { generateKeyPairSync, sign } from "node:crypto";
import { availableParallelism } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import {
  Client,
  type ClientPorts,
  type DeviceKey,
  type DirectTransport,
} from "../electron/client/index.js";
import type { RelayDialer } from "../electron/client/ports.js";
import { nodeTransport } from "../electron/direct/node-transport.js";
import { relayDialer } from "../electron/node/relay-dialer.js";
import { DovetailError } from "../shared/errors.js";
import type { KeyValue, Range, Write } from "../shared/key-value.js";
import { nodeClock, nodeCrypto, nodeRandom } from "../shared/node/runtime.js";
import type { Log } from "../shared/runtime.js";
import { inTurn } from "./in-turn.js";

/** Who come together in one process. More do not come sooner: they have the same cores as their relay. */
const AT_ONCE = 8 * availableParallelism();
/** Until somebody is tried again whom a relay had no time for. */
const BUSY_MS = 1_000;

/** Handshakes under way in one process: enough that its relay never waits for it. */
const dialer = inTurn(relayDialer, 64);

const silent: Log = { debug() {}, info() {}, warn() {}, error() {} };

/** Keys in order; the few rows of somebody who has just come. */
class SmallStore implements KeyValue {
  readonly #rows = new Map<string, Uint8Array>();

  async get(key: string): Promise<Uint8Array | undefined> {
    return this.#rows.get(key);
  }

  async range({ from, to, reverse, limit }: Range) {
    const keys = [...this.#rows.keys()].filter((key) => key >= from && key < to).sort();
    if (reverse) keys.reverse();
    return keys.slice(0, limit).map((key) => ({ key, value: this.#rows.get(key) as Uint8Array }));
  }

  async batch(writes: readonly Write[]): Promise<void> {
    for (const write of writes) {
      if (write.type === "put") this.#rows.set(write.key, write.value);
      else this.#rows.delete(write.key);
    }
  }

  async close(): Promise<void> {}
}

export function newKey(): DeviceKey {
  const { publicKey, privateKey } = generateKeyPairSync("ed25519");
  const raw = publicKey.export({ format: "der", type: "spki" }).subarray(-32);
  return {
    publicKey: new Uint8Array(raw),
    sign: (message) => new Uint8Array(sign(null, message, privateKey)),
  };
}

const noChannels: DirectTransport = {
  available: false,
  open() {
    throw new Error("There are no direct channels here.");
  },
};

/** What outlives a client core, and how it is connected. */
export interface CoreParts {
  readonly store: KeyValue;
  readonly key: DeviceKey;
  readonly dialer?: RelayDialer;
  readonly direct?: DirectTransport;
}

export function openCore(
  relayUrl: string,
  { store, key, dialer = relayDialer, direct = noChannels }: CoreParts,
): Promise<Client> {
  const ports: ClientPorts = {
    ...{ store, direct },
    relay: dialer,
    keys: { load: async () => key, create: async () => key },
    clock: nodeClock,
    random: nodeRandom,
    crypto: nodeCrypto,
    log: silent,
  };
  return Client.open(ports, { relayUrl, deviceName: "crowd" });
}

/** Somebody new. */
async function comer(relayUrl: string, handle: string, direct: boolean): Promise<Client> {
  const parts = { store: new SmallStore(), key: newKey(), dialer };
  const client = await openCore(relayUrl, {
    ...parts,
    ...(direct && { direct: nodeTransport(silent) }),
  });
  for (;;) {
    try {
      await client.call("account.register", { handle, displayName: handle });
      return client;
    } catch (thrown) {
      // So many come at once that some have to wait for their turn, or ask a relay that is busy.
      const { code, retryAfterMs } = DovetailError.from(thrown);
      if (code !== "timeout" && retryAfterMs === undefined) throw thrown;
      await sleep(retryAfterMs ?? BUSY_MS);
    }
  }
}

/** So many come, some at a time. */
export async function crowd(
  relayUrl: string,
  count: number,
  prefix: string,
  direct = false,
): Promise<Client[]> {
  const clients: Client[] = [];
  while (clients.length < count) {
    const next = Array.from({ length: Math.min(AT_ONCE, count - clients.length) }, (_, i) =>
      comer(relayUrl, `${prefix}${clients.length + i}`, direct),
    );
    clients.push(...(await Promise.all(next)));
  }
  return clients;
}

/** Resolves when all of them show the text. */
export async function allShow(clients: readonly Client[], text: string): Promise<void> {
  await Promise.all(
    clients.map(
      (client) =>
        new Promise<void>((resolve) => {
          const end = client.subscribe(({ event, data }) => {
            if (event !== "message.added" || data.text !== text) return;
            end();
            resolve();
          });
        }),
    ),
  );
}
