import { mkdtemp, rm } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import type { NodeId } from "../../relay/core/cluster/ring.js";
import { FOLDERS } from "../../relay/store/sharded/folders.js";
import { MAX_CALLS, MAX_WAITING_BYTES, PATIENCE_MS } from "../../relay/workers/bounds.js";
import { Calls } from "../../relay/workers/calls.js";
import { Mesh } from "../../relay/workers/mesh.js";
import { foldersOf, nodeAt, SeatPlacement } from "../../relay/workers/seats.js";
import { DovetailError } from "../../shared/errors.js";
import { nodeClock } from "../../shared/node/runtime.js";
import type { Clock, Log } from "../../shared/runtime.js";
import { HandClock } from "../hosts/hand-clock.js";

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
  /** How many there were each time that it was told. */
  readonly counts: number[] = [];
  readonly listener = {
    received: (_from: NodeId, message: Uint8Array) => {
      this.received.push(new TextDecoder().decode(message));
    },
    members: (nodes: readonly NodeId[]) => {
      this.members = nodes;
      this.counts.push(nodes.length);
    },
  };
}

async function join3(): Promise<[Mesh, Mesh, Mesh]> {
  return (await Promise.all([0, 1, 2].map((index) => worker(index)))) as [Mesh, Mesh, Mesh];
}

async function worker(index: number, clock: Clock = nodeClock): Promise<Mesh> {
  const mesh = await Mesh.open({ index, count: 3, sockets, secret }, { clock, log });
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

it("begins anew with one whose way breaks while both live, and asks again what had no answer", async () => {
  const [first, , third] = await join3();
  await Promise.all([first.gathered(), third.gathered()]);
  const heard = { first: new Heard(), third: new Heard() };
  first.listen(heard.first.listener);
  third.listen(heard.third.listener);
  const answers: ((value: string) => void)[] = [];
  third.answers(() => new Promise((resolve) => answers.push(resolve)));
  const asked = first.ask(2, "where", []);
  await vi.waitFor(() => expect(answers).toHaveLength(1));
  // A second way, as the third would make it whose first has broken before the other side notices.
  const way = connect(join(sockets, "0.sock"));
  const hello = Buffer.concat([Buffer.alloc(5), secret, Buffer.from(third.node, "latin1")]);
  hello.writeUInt32BE(hello.length - 4, 0);
  way.resume().write(hello);
  await vi.waitFor(() => expect(answers).toHaveLength(2));
  answers[1]?.("here");
  expect(await asked).toBe("here");
  // Both were without the other meanwhile: the first with the new way, and with the one after it.
  expect(heard.first.counts).toEqual([3, 2, 3, 2, 3]);
  expect(heard.third.counts).toEqual([3, 2, 3]);
});

it("asks nobody who has been away for longer than a question waits", async () => {
  const clock = new HandClock();
  const mesh = await worker(0, clock);
  const asked = mesh.ask(1, "where", []).catch((error) => error);
  clock.pass(PATIENCE_MS + 1);
  expect(await asked).toMatchObject({ code: "overloaded", retryAfterMs: 1_000 });
  await expect(mesh.ask(1, "where", [])).rejects.toMatchObject({ code: "overloaded" });
});

it("holds so many questions of one worker and so many bytes, and none of others for it", async () => {
  const calls = new Calls(new HandClock());
  const ask = (id: number, seat: number, body: Uint8Array) =>
    void calls.add(id, { seat, body }, 1, () => new Error("late")).catch(() => undefined);
  const small = new Uint8Array(1);
  for (let id = 0; id < MAX_CALLS; id++) ask(id, 1, small);
  ask(MAX_CALLS, 2, new Uint8Array(MAX_WAITING_BYTES));
  expect([1, 2, 3].map((seat) => calls.hasRoom(seat, 1))).toEqual([false, false, true]);
  expect(calls.take(5, 2)).toBeUndefined();
  calls.take(5, 1);
  calls.take(MAX_CALLS);
  expect([1, 2].map((seat) => calls.hasRoom(seat, 1))).toEqual([true, true]);
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
