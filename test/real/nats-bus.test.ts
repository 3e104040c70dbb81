/** The bus between relay nodes on a real nats-server. */
import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join as path } from "node:path";
import { afterEach, beforeEach, describe, expect, it, type TestContext, vi } from "vitest";
import { NatsBus } from "../../relay/bus/nats-bus.js";
import type { NodeId } from "../../relay/core/cluster/ring.js";
import { MAX_FRAME_BYTES } from "../../shared/limits.js";
import { nodeClock } from "../../shared/node/runtime.js";
import { findNats, startNats } from "../parts/nats.mjs";
import { Authority, hasOpenssl } from "../relay/certificates.js";

/** Events that nodes have warned of. */
const warned: string[] = [];
const warn = (event: string) => void warned.push(event);
const log = { debug() {}, info() {}, warn, error: warn };
const WAIT = { timeout: 30_000, interval: 50 };

class Node {
  readonly heard: string[] = [];
  /** Every list of members that it was told, newest last. */
  readonly told: (readonly NodeId[])[] = [];
  readonly bus: NatsBus;

  constructor(bus: NatsBus) {
    this.bus = bus;
    bus.listen({
      received: (from, message) => this.heard.push(`${from} ${Buffer.from(message)}`),
      members: (nodes) => this.told.push([...nodes].sort()),
    });
  }

  get members(): readonly NodeId[] {
    return this.told.at(-1) ?? [];
  }
}

let nats: Awaited<ReturnType<typeof startNats>>;
const nodes: Node[] = [];

const partsOf = (relay = "relay-test", protocol = 1) => {
  const node = randomBytes(16).toString("hex") as NodeId;
  return { relay, protocol, node, clock: nodeClock, log };
};
const join = async (relay?: string, protocol?: number): Promise<Node> => {
  const parts = partsOf(relay, protocol);
  const options = { servers: [nats.url], user: "relay", password: "secret" };
  const joined = new Node(await NatsBus.open(options, parts));
  nodes.push(joined);
  return joined;
};
const idsOf = (...of: readonly Node[]) => of.map(({ bus }) => bus.node).sort();
const together = (...of: readonly Node[]) =>
  vi.waitFor(() => {
    for (const node of of) expect(node.members).toEqual(idsOf(...of));
  }, WAIT);

beforeEach(async (context: TestContext) => {
  context.skip(findNats() === null, "nats-server is not installed");
  nats = await startNats();
});
afterEach(async () => {
  await Promise.all(nodes.splice(0).map(({ bus }) => bus.close()));
  await nats?.close();
});

describe("nodes on one bus", () => {
  it("find each other, and hear each other in order, also what is as large as a frame", async () => {
    const [one, two, three] = [await join(), await join(), await join()];
    const others = [await join("another relay"), await join("relay-test", 2)];
    await together(one, two, three);
    for (const other of others) expect(other.members).toEqual(idsOf(other));
    for (let i = 0; i < 500; i++) one.bus.send(two.bus.node, Buffer.from(String(i)));
    one.bus.send(two.bus.node, Buffer.alloc(MAX_FRAME_BYTES, "x"));
    await vi.waitFor(() => expect(two.heard).toHaveLength(501), WAIT);
    const expected = Array.from({ length: 500 }, (_, i) => `${one.bus.node} ${i}`);
    expect(two.heard.slice(0, 500)).toEqual(expected);
    expect(two.heard[500]).toHaveLength(33 + MAX_FRAME_BYTES);
    expect(three.heard).toEqual([]);
  });

  it("notice one that goes, and one that says nothing any more", async () => {
    const [one, two, three] = [await join(), await join(), await join()];
    await together(one, two, three);
    await three.bus.close();
    await together(one, two);
  });

  it("are told that they are alone before they meet again after the server was away", async () => {
    const [one, two] = [await join(), await join()];
    await together(one, two);
    const before = [one.told.length, two.told.length];
    await nats.kill();
    await nats.start();
    for (const [index, node] of [one, two].entries()) {
      await vi.waitFor(() => {
        const since = node.told.slice(before[index]);
        expect(since).toContainEqual(idsOf(node));
        expect(since.at(-1)).toEqual(idsOf(one, two));
      }, WAIT);
    }
    one.bus.send(two.bus.node, Buffer.from("again"));
    await vi.waitFor(() => expect(two.heard).toContain(`${one.bus.node} again`), WAIT);
  });

  it("meet again although the time of day was set back while the server was away", async () => {
    const [one, two] = [await join(), await join()];
    await together(one, two);
    const lost = () => warned.filter((each) => each === "bus.disconnected").length;
    const [before, lostBefore] = [[one.told.length, two.told.length], lost()];
    await nats.kill();
    await vi.waitFor(() => expect(lost()).toBe(lostBefore + 2), WAIT);
    const now = Date.now;
    const clock = vi.spyOn(Date, "now").mockImplementation(() => now() - 600_000);
    try {
      await nats.start();
      for (const [index, node] of [one, two].entries()) {
        await vi.waitFor(() => {
          expect(node.told.slice(before[index])).toContainEqual(idsOf(node));
          expect(node.members).toEqual(idsOf(one, two));
        }, WAIT);
      }
    } finally {
      clock.mockRestore();
    }
  });

  const refusals = [
    ["their credentials", "bus.failed", `user: relay, password: other`],
    [
      "them to listen",
      "bus.refused",
      `users: [{ user: relay, password: secret, permissions: { subscribe: { deny: ">" } } }]`,
    ],
  ] as const;
  it.each(refusals)("meet again after the server refused %s", async (_, event, authorization) => {
    const [one, two] = [await join(), await join()];
    await together(one, two);
    const refused = () => warned.filter((each) => each === event).length;
    const before = refused();
    await nats.kill();
    await nats.start(`authorization { ${authorization} }\n`);
    // Each of them more than once: the library would give up after the second time.
    await vi.waitFor(() => expect(refused() - before).toBeGreaterThan(6), WAIT);
    await nats.kill();
    await nats.start();
    await vi.waitFor(() => {
      one.bus.send(two.bus.node, Buffer.from("again"));
      expect(two.heard).toContain(`${one.bus.node} again`);
    }, WAIT);
  });
});

it("says what is wrong with the server", async () => {
  const parts = partsOf();
  const small = await startNats({ maxPayload: 65_536 });
  try {
    await expect(NatsBus.open({ servers: [small.url] }, parts)).rejects.toThrow("max_payload");
  } finally {
    await small.close();
  }
  await expect(NatsBus.open({ servers: [small.url] }, parts)).rejects.toThrow("cannot be reached");
});

describe.skipIf(!hasOpenssl)("a bus over TLS", () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(path(tmpdir(), "dovetail-nats-tls-"));
  });
  afterEach(() => rm(folder, { recursive: true }));

  it("is of servers that its authority vouches for, and that were named", async () => {
    const authority = new Authority(folder, "authority");
    const other = new Authority(folder, "other");
    const own = authority.issue("relay", "DNS:relay.example");
    const ca = authority.certificate;
    const server = await startNats({ tls: { ca, ...authority.issue("nats", "IP:127.0.0.1") } });
    const elsewhere = await startNats({ tls: { ca, ...authority.issue("far", "IP:127.0.0.9") } });
    const open = (url: string, tls: { ca: string; own: typeof own | null } | null) =>
      NatsBus.open({ servers: [url], tls }, partsOf());
    try {
      const two = [new Node(await open(server.url, { ca, own }))];
      two.push(new Node(await open(server.url, { ca, own })));
      nodes.push(...two);
      await together(...two);
      const wrong = [
        [server, null, "verify"],
        [server, { ca, own: null }, "cannot be reached"],
        [server, { ca: other.certificate, own }, "verify"],
        [elsewhere, { ca, own }, "altnames"],
        // The one of the other tests, which says that it does no TLS.
        [nats, { ca, own }, "tls"],
      ] as const;
      for (const [at, tls, why] of wrong) await expect(open(at.url, tls)).rejects.toThrow(why);
    } finally {
      await Promise.all([server.close(), elsewhere.close()]);
    }
  });

  it("is not begun without the files that it was told of", async () => {
    const tls = { ca: path(folder, "ca.pem"), own: null };
    const opening = NatsBus.open({ servers: [nats.url], tls }, partsOf());
    await expect(opening).rejects.toMatchObject({ code: "invalid_params" });
  });
});
