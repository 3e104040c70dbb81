import fc from "fast-check";
import { expect, it } from "vitest";
import {
  NODE_PROTOCOL,
  type NodeMessage,
  nodeMessages,
} from "../../../relay/core/cluster/messages.js";
import { Nodes } from "../../../relay/core/cluster/nodes.js";
import { type NodeId, SHARDS } from "../../../relay/core/cluster/ring.js";
import { fromHex, toHex } from "../../../shared/bytes.js";
import type { DeviceId, UserId } from "../../../shared/ids.js";
import { ManualClock } from "../world.js";

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
const user = bytes(16).map((each) => toHex(each) as UserId);
const device = bytes(16).map((each) => toHex(each) as DeviceId);
const number = fc.nat();
const frame = fc.uint8Array({ maxLength: 64 });
const who = { connection: number, userId: user, deviceId: device };
const of = <T extends NodeMessage["type"]>(type: T, fields: object) =>
  fc.record({ type: fc.constant(type), ...fields });

const message = fc.oneof(
  of("request", { id: number, ...who, lasting: fc.boolean(), frame }),
  of("reply", { id: number, frame: fc.option(frame) }),
  of("arrived", { id: number, ...who }),
  of("left", { connection: number }),
  of("moved", { connection: number }),
  of("deliver", { connection: number, frame }),
  of("end", { connection: number, reason: fc.constantFrom("replaced", "removed") }),
  of("push", {
    users: fc.array(user, { maxLength: 5 }),
    frame,
    except: fc.option(fc.record({ node: fc.constant("1".repeat(32)), connection: number })),
    instead: fc.option(fc.record({ devices: fc.array(device, { maxLength: 5 }), frame })),
  }),
  of("circles", { users: fc.array(user, { maxLength: 5 }) }),
  of("reconsider", { users: fc.array(user, { maxLength: 5 }) }),
  of("deviceRemoved", { id: number, deviceId: device }),
  of("apply", {
    id: number,
    place: bytes(16),
    publicKey: bytes(32),
    deviceName: fc.constant("laptop"),
    proof: bytes(32),
  }),
  of("withdraw", { id: number }),
  of("opening", { id: number, deviceId: device }),
  of("look", {
    id: number,
    inboxes: fc.array(fc.record({ userId: user, after: number }), { maxLength: 5 }),
  }),
  of("probe", { id: number }),
  of("probed", { id: number }),
  of("summary", {
    label: fc.string({ maxLength: 20 }),
    address: fc.option(fc.string({ maxLength: 20 })),
    startedAt: number,
    draining: fc.boolean(),
    connections: number,
    lag: fc.option(fc.record({ node: fc.constant("1".repeat(32)), ms: number })),
    backlogEntries: number,
    backlogBytes: number,
    bufferedBytes: number,
    hot: fc.array(fc.record({ shard: fc.nat(SHARDS - 1), requests: number, appends: number }), {
      maxLength: 10,
    }),
  }),
) as fc.Arbitrary<NodeMessage>;

it("what nodes say to each other arrives as it was said", () => {
  fc.assert(
    fc.property(message, (said) => {
      expect(nodeMessages.decode(nodeMessages.encode(said))).toEqual(said);
    }),
  );
});

it("nodes of one protocol understand each other: the bytes are frozen", () => {
  // Whoever changes the bytes raises it.
  expect(NODE_PROTOCOL).toBe(3);
  const said: NodeMessage = {
    type: "push",
    users: ["a".repeat(32) as UserId],
    frame: fromHex("0102"),
    except: { node: "1", connection: 7 },
    instead: { devices: ["b".repeat(32) as DeviceId], frame: fromHex("03") },
  };
  const frozen = `0801${"aa".repeat(16)}02010201013107010${1}${"bb".repeat(16)}0103`;
  expect(toHex(nodeMessages.encode(said))).toBe(frozen);
  const summary: NodeMessage = {
    type: "summary",
    label: "n",
    address: "a",
    startedAt: 1,
    draining: true,
    connections: 2,
    lag: { node: "1" as NodeId, ms: 3 },
    backlogEntries: 4,
    backlogBytes: 5,
    bufferedBytes: 6,
    hot: [{ shard: 7, requests: 8, appends: 9 }],
  };
  expect(toHex(nodeMessages.encode(summary))).toBe("10016e0101610101020101310304050601070809");
});

it("what is no message is passed over, and so is an answer that another node gives", async () => {
  const clock = new ManualClock();
  const warned: string[] = [];
  const sent: NodeMessage[] = [];
  const [own, other, third] = ["1", "2", "3"].map((digit) => digit.repeat(32) as NodeId) as [
    NodeId,
    NodeId,
    NodeId,
  ];
  const bus = {
    node: own,
    listen() {},
    send: (_to: NodeId, bytes: Uint8Array) => void sent.push(nodeMessages.decode(bytes)),
  };
  const log = {
    debug() {},
    info() {},
    warn: (event: string) => void warned.push(event),
    error() {},
  };
  const nodes = new Nodes(bus, { clock, log });
  nodes.members([own, other, third]);
  nodes.received(other, fromHex("ff00"));
  expect(warned).toEqual(["bus.message-failed"]);

  const asked = nodes.ask(other, (id) => ({ type: "left", connection: id }));
  const { connection: id } = sent[0] as Extract<NodeMessage, { type: "left" }>;
  const reply = (byte: number) =>
    nodeMessages.encode({ type: "reply", id, frame: Uint8Array.of(byte) });
  nodes.received(third, reply(1));
  nodes.received(other, reply(2));
  expect(await asked).toEqual(Uint8Array.of(2));

  const unanswered = nodes.ask(other, (connection) => ({ type: "left", connection }));
  clock.advance(10_000);
  await expect(unanswered).rejects.toMatchObject({ code: "overloaded", retryAfterMs: 1_000 });
});
