import { mkdtemp, rm } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import type { NodeId } from "../../relay/core/cluster/ring.js";
import { FOLDERS } from "../../relay/store/sharded/folders.js";
import { Mesh } from "../../relay/workers/mesh.js";
import { foldersOf, nodeAt, SeatPlacement } from "../../relay/workers/seats.js";
import { DovetailError } from "../../shared/errors.js";
import { nodeClock } from "../../shared/node/runtime.js";
import type { Log } from "../../shared/runtime.js";

const log: Log = { debug() {}, info() {}, warn() {}, error() {} };
const secret = new Uint8Array(32).fill(7);
let sockets: string;
const open = new Set<Mesh>();

beforeEach(async () => {
  sockets = await mkdtemp(join(tmpdir(), "dovetail-mesh-"));
});
afterEach(async () => {
  await Promise.all([...open].map((mesh) => mesh.close()));
  open.clear();
  await rm(sockets, { recursive: true });
});

class Heard {
  readonly received: string[] = [];
  members: readonly NodeId[] = [];
  readonly listener = {
    received: (_from: NodeId, message: Uint8Array) => {
      this.received.push(new TextDecoder().decode(message));
    },
    members: (nodes: readonly NodeId[]) => {
      this.members = nodes;
    },
  };
}

async function join3(): Promise<[Mesh, Mesh, Mesh]> {
  return (await Promise.all([0, 1, 2].map((index) => worker(index)))) as [Mesh, Mesh, Mesh];
}

async function worker(index: number, withSecret = secret): Promise<Mesh> {
  const mesh = await Mesh.open(
    { index, count: 3, sockets, secret: withSecret },
    { clock: nodeClock, log },
  );
  open.add(mesh);
  return mesh;
}

async function close(mesh: Mesh): Promise<void> {
  open.delete(mesh);
  await mesh.close();
}

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

it("brings messages from each to each, in their order", async () => {
  const meshes = await join3();
  const heard = meshes.map((mesh) => {
    const each = new Heard();
    mesh.listen(each.listener);
    return each;
  });
  await Promise.all(meshes.map((mesh) => mesh.gathered()));
  const texts = Array.from({ length: 500 }, (_, i) => `message ${i}`);
  for (const text of texts) meshes[2].send(meshes[0].node, bytes(text));
  meshes[0].send(meshes[2].node, new Uint8Array(2_000_000));
  await vi.waitFor(() => expect(heard[0]?.received).toEqual(texts));
  await vi.waitFor(() => expect(heard[2]?.received).toHaveLength(1));
  expect(new Set(heard[1]?.members)).toEqual(new Set(meshes.map(({ node }) => node)));
});

it("tells who has gone, and that whoever comes in its place is another", async () => {
  const [first, second, third] = await join3();
  const heard = new Heard();
  second.listen(heard.listener);
  await second.gathered();
  await close(third);
  await vi.waitFor(() => expect(heard.members).toHaveLength(2));
  const again = await worker(2);
  await vi.waitFor(() => expect(heard.members).toContain(again.node));
  expect(again.node).not.toBe(third.node);
  expect(heard.members).toContain(first.node);
});

it("asks, with values as they are and errors as ours", async () => {
  const [first, second] = await join3();
  second.answers(async (subject, args) => {
    if (subject === "echo") return args[0];
    throw new DovetailError("rate_limited", "Not so fast.", { retryAfterMs: 7 });
  });
  const value = new Map([["a", { bytes: new Uint8Array([1, 2]), nothing: null }]]);
  expect(await first.ask(1, "echo", [value])).toEqual(value);
  await expect(first.ask(1, "else", [])).rejects.toMatchObject({
    code: "rate_limited",
    message: "Not so fast.",
    retryAfterMs: 7,
  });
});

it("asks again whoever was started anew before it answered", async () => {
  const [first, second] = await join3();
  second.answers(() => new Promise(() => {}));
  const asked = first.ask(1, "where", []);
  await first.gathered();
  await close(second);
  const again = await worker(1);
  again.answers(async () => "here");
  expect(await asked).toBe("here");
});

it("lets nobody in who does not know the secret, and goes on", async () => {
  const [first] = await join3();
  const heard = new Heard();
  first.listen(heard.listener);
  await first.gathered();
  const before = heard.members;
  const stranger = connect(join(sockets, "0.sock"));
  const closed = new Promise((resolve) => stranger.once("close", resolve));
  const hello = Buffer.alloc(5 + 64);
  hello.writeUInt32BE(65, 0);
  stranger.resume().write(hello);
  await closed;
  const garbage = connect(join(sockets, "0.sock"));
  const refused = new Promise((resolve) => garbage.once("close", resolve));
  garbage.resume().write(Buffer.alloc(64, 255));
  await refused;
  expect(heard.members).toEqual(before);
});

it("gives every folder to one worker, evenly, and to another only while that one is away", () => {
  const run = "f".repeat(32);
  const nodes = [0, 1, 2].map((index) => nodeAt(index, run));
  const all = nodes.flatMap((_, index) => foldersOf({ index, count: 3 }));
  expect([...all].sort((a, b) => a - b)).toEqual([...Array(FOLDERS).keys()]);
  const ids = Array.from({ length: 200 }, (_, i) => `${i}`);
  const whole = new SeatPlacement(nodes, 3);
  const without = new SeatPlacement([nodes[0] as NodeId, nodes[2] as NodeId], 3);
  for (const id of ids) {
    if (whole.owner(id) === nodes[1]) expect(without.owner(id)).toBe(nodes[2]);
    else expect(without.owner(id)).toBe(whole.owner(id));
  }
});
