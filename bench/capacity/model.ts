/** From what people do and what one node was measured to do: what all of them need. */
import { type NodeId, Ring, SHARDS } from "../../relay/core/cluster/ring.js";
import { PINGS_S, type Sizes } from "./sizes.js";

/** What people do. Nothing of it is measured here. */
export interface Habits {
  readonly dailyUsers: number;
  readonly messagesEach: number;
  /** The busiest second over the average one. */
  readonly peak: number;
  /** Of the daily users, those who are connected in the busiest hour. */
  readonly connected: number;
  /** Devices of one user, and those of them that are connected when the user is. */
  readonly devices: number;
  /** People who get a message, besides who wrote it. */
  readonly recipients: number;
  readonly characters: number;
  /** Of all messages those that every device of everybody had directly before their append. */
  readonly direct: number;
  /** Messages that share one append where all have them directly. */
  readonly batch: number;
}

/** What one process of the relay was measured to do; how is in docs/performance.md. */
export interface Measured {
  /** Durable, per second. */
  readonly appendsPerSecond: number;
  /** Of resident memory, idle and signed in. */
  readonly bytesPerConnection: number;
  /** In one process. */
  readonly connections: number;
  /** Of a core, by a connection at rest. */
  readonly coresPerConnection: number;
  /** What TLS takes besides, where the relay does it itself: of memory, and of a processor to begin. */
  readonly tlsBytesPerConnection: number;
  readonly tlsMicrosecondsPerHandshake: number;
  /** All that three nodes of Cassandra did, which each hold everything, divided by three; per second. */
  readonly cassandraMessagesPerSecond: number;
}

/** How full a node may be, so that the others can take over what is lost with one. */
const HEADROOM = 0.5;
const COPIES = 3;
const DESIGNED_CONNECTIONS = 50_000;
const DAY_SECONDS = 86_400;
const MAX_DRAWN_NODES = 512;

export interface Figure {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  readonly formula: string;
}

export function capacity(habits: Habits, sizes: Sizes, measured: Measured): Figure[] {
  const { dailyUsers, messagesEach, peak, connected, devices, recipients, direct, batch } = habits;
  const figures: Figure[] = [];
  const figure = (name: string, unit: string, formula: string, value: number): number => {
    figures.push({ name, value, unit, formula });
    return value;
  };

  const daily = figure(
    "messages a day",
    "",
    "daily users × messages each",
    dailyUsers * messagesEach,
  );
  const average = figure(
    "messages a second, average",
    "/s",
    "messages a day ÷ 86,400",
    daily / DAY_SECONDS,
  );
  const busiest = figure("messages a second, peak", "/s", "average × peak factor", average * peak);

  const perDay = figure(
    "storage a day",
    "B",
    `messages a day × ${sizes.stored} B a message × ${COPIES} copies`,
    daily * sizes.stored * COPIES,
  );
  figure("storage a year", "B", "storage a day × 365", perDay * 365);

  // The sender's own other devices, and all of the recipients'.
  const told = figure(
    "devices that are told of a message",
    "",
    "(1 + recipients) × devices of a user − the one that wrote it",
    (1 + recipients) * devices - 1,
  );
  const into = ({ append, moveCursors }: Sizes["relayed"]) => append + recipients * moveCursors;
  const outOf = (each: Sizes["relayed"]) =>
    each.appended + told * (each.told + recipients * each.cursors);
  const relayedOut = outOf(sizes.relayed);
  const inward = (1 - direct) * into(sizes.relayed) + direct * into(sizes.direct);
  const outward = (1 - direct) * relayedOut + direct * outOf(sizes.direct);
  figure(
    "bandwidth into the relay, peak",
    "bit/s",
    `peak × ${Math.round(inward)} B a message × 8: append + recipients × moveCursors, of which those delivered directly share one to ${batch}`,
    busiest * inward * 8,
  );
  figure(
    "bandwidth out of the relay, peak",
    "bit/s",
    `peak × ${Math.round(outward)} B a message × 8: answer + devices told × (message + recipients × cursors), where those delivered directly tell their place alone, ${batch} at once`,
    busiest * outward * 8,
  );
  figure(
    "what direct delivery saves of the outward bandwidth",
    "%",
    `1 − outward with a direct share of ${direct} ÷ outward with none (${Math.round(relayedOut)} B a message)`,
    (1 - outward / relayedOut) * 100,
  );
  figure(
    "what direct delivery saves of the appends",
    "%",
    `direct share × (1 − 1 ÷ ${batch} to an append)`,
    direct * (1 - 1 / batch) * 100,
  );

  const connections = figure(
    "connections, peak",
    "",
    "daily users × share connected × devices of a user",
    dailyUsers * connected * devices,
  );
  figure(
    "memory for connections",
    "B",
    `connections × ${Math.round(measured.bytesPerConnection).toLocaleString("en")} B measured`,
    connections * measured.bytesPerConnection,
  );
  figure(
    "memory for TLS, where the relay does it",
    "B",
    `connections × ${measured.tlsBytesPerConnection.toLocaleString("en")} B measured`,
    connections * measured.tlsBytesPerConnection,
  );
  for (const way of ["inward", "outward"] as const) {
    figure(
      `bandwidth of connections at rest, ${way}`,
      "bit/s",
      `connections × ${sizes.idle[way].toFixed(1)} B a second × 8: a ping of each client every ${PINGS_S} s, and its answer`,
      connections * sizes.idle[way] * 8,
    );
  }
  figure(
    "cores for connections at rest",
    "",
    `connections × ${(measured.coresPerConnection * 1e6).toPrecision(3)} µs a second measured`,
    Math.ceil(connections * measured.coresPerConnection),
  );
  const nodes = figure(
    "nodes by connections, as designed",
    "",
    `connections ÷ ${DESIGNED_CONNECTIONS.toLocaleString("en")} a node`,
    Math.ceil(connections / DESIGNED_CONNECTIONS),
  );
  figure(
    "processes by connections, as measured",
    "",
    `connections ÷ ${measured.connections.toLocaleString("en")} a process`,
    Math.ceil(connections / measured.connections),
  );
  figure(
    "processes by appends, as measured",
    "",
    `peak ÷ (${Math.round(measured.appendsPerSecond).toLocaleString("en")}/s measured × ${HEADROOM} headroom)`,
    Math.ceil(busiest / (measured.appendsPerSecond * HEADROOM)),
  );
  figure(
    "nodes of Cassandra by messages, as measured",
    "",
    `peak ÷ (${measured.cassandraMessagesPerSecond}/s a node measured × ${HEADROOM} headroom)`,
    Math.ceil(busiest / (measured.cassandraMessagesPerSecond * HEADROOM)),
  );
  figure(
    "core-seconds of TLS when all of a node's clients come back",
    "",
    `${DESIGNED_CONNECTIONS.toLocaleString("en")} × ${measured.tlsMicrosecondsPerHandshake} µs a handshake measured`,
    (DESIGNED_CONNECTIONS * measured.tlsMicrosecondsPerHandshake) / 1e6,
  );
  figure(
    "shards for each of those nodes",
    "",
    `${SHARDS.toLocaleString("en")} shards ÷ nodes by connections`,
    SHARDS / nodes,
  );
  for (const count of [3, 32, 256]) {
    figure(
      `shards that move when node ${count + 1} comes to ${count}`,
      "%",
      "shards with another owner ÷ shards, on the ring itself; the ideal is 1 ÷ (nodes + 1)",
      movedBy(count) * 100,
    );
  }
  return figures;
}

/** The share of the shards that have another owner when one node more is there. */
export function movedBy(nodes: number): number {
  if (nodes > MAX_DRAWN_NODES) throw new RangeError(`at most ${MAX_DRAWN_NODES} nodes are drawn`);
  const names = Array.from(
    { length: nodes + 1 },
    (_, i) => i.toString(16).padStart(32, "0") as NodeId,
  );
  const [before, after] = [new Ring(names.slice(0, nodes)), new Ring(names)];
  let moved = 0;
  for (let shard = 0; shard < SHARDS; shard++) {
    if (before.ownerOfShard(shard) !== after.ownerOfShard(shard)) moved++;
  }
  return moved / SHARDS;
}
