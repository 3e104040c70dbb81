/** Every kind of fault: how it is done to whom, and how it is undone. */
import type { Prng } from "../../sim/virtual-time.js";
import type { Cast } from "./cast.js";
import { ClusterMachine } from "./cluster.js";
import type { DeviceMachine, RelayMachine } from "./machine.js";
import type { Way } from "./relay-path.js";
import { tearLastWrite } from "./torn-write.js";
import type { Traffic } from "./traffic.js";
import { NamespaceWires } from "./wires.js";

/** Clocks that are further ahead than this are not followed by others (hlc.ts), which is no fault. */
const MOST_SKEW_MS = 10 * 60_000;
const MOST_DELAY_MS = 400;

type Machine = DeviceMachine | RelayMachine;

/** For how long; cut short when the run is to be healed. */
export type Wait = (leastMs: number, mostMs: number) => Promise<void>;

export interface Affliction {
  readonly kind: string;
  /** Why it cannot be done on this machine; null where it can. */
  readonly missing: string | null;
  /** Does it, waits, and undoes it. Gives what was done; null where it could not be just now. */
  strike(random: Prng, wait: Wait): Promise<string | null>;
}

/** Whether there is such a process, which may have ended at any moment. */
function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

/** Faults of one sort on one machine exclude each other, or one would undo the other. */
async function upon<M extends Machine>(
  machine: M,
  sorts: readonly string[],
  act: (machine: M) => Promise<string | null>,
): Promise<string | null> {
  if (sorts.some((sort) => machine.afflictions.has(sort))) return null;
  for (const sort of sorts) machine.afflictions.add(sort);
  try {
    const done = await act(machine);
    return done === null ? null : `${machine.name} ${done}`;
  } finally {
    for (const sort of sorts) machine.afflictions.delete(sort);
  }
}

export function afflictions(cast: Cast, traffic: Traffic): Affliction[] {
  const { devices, relay, wires } = cast;
  const namespaces = wires instanceof NamespaceWires ? wires : null;
  const noNamespaces = wires.missing;
  const noSlowness =
    noNamespaces ?? (namespaces?.slowness ? null : "the kernel has no queue that delays packets");

  const kill = (kind: string, pick: (random: Prng) => Machine): Affliction => ({
    kind,
    missing: null,
    strike: (random, wait) =>
      upon(pick(random), ["life"], async (machine) => {
        await machine.kill();
        await wait(0, 3_000);
        await machine.start();
        return "killed";
      }),
  });

  const stop = (kind: string, pick: (random: Prng) => Machine): Affliction => ({
    kind,
    missing: null,
    strike: (random, wait) =>
      upon(pick(random), ["life"], async (machine) => {
        machine.running?.signal("SIGSTOP");
        await wait(100, 8_000);
        machine.running?.signal("SIGCONT");
        return "stopped and continued";
      }),
  });

  const way = (kind: string, state: Way, mostMs: number): Affliction => ({
    kind,
    missing: null,
    strike: (random, wait) =>
      upon(random.pick(devices), ["relay path"], async ({ path }) => {
        path.way = state;
        await wait(50, mostMs);
        path.way = "open";
        return `relay path ${state}`;
      }),
  });

  const fill = (kind: string, machines: readonly Machine[]): Affliction => ({
    kind,
    missing: cast.noDisks,
    strike: (random, wait) =>
      upon(random.pick(machines), ["disk"], async (machine) => {
        machine.fillDisk();
        await wait(200, 6_000);
        machine.emptyDisk();
        return "disk full";
      }),
  });

  const skew = (kind: string, pick: (random: Prng) => Machine): Affliction => ({
    kind,
    missing: null,
    strike: (random) =>
      upon(pick(random), ["clock"], async (machine) => {
        const offsetMs = random.between(-MOST_SKEW_MS, MOST_SKEW_MS);
        machine.setClock(offsetMs);
        return `clock off by ${Math.round(offsetMs / 1_000)} s`;
      }),
  });

  /** What is done to a process of the relay, and not to its first one. */
  const worker = (
    kind: string,
    done: string,
    strike: (pid: number, wait: Wait) => Promise<void>,
  ): Affliction => ({
    kind,
    missing: relay.workers > 1 ? null : "the relay has no workers",
    strike: (random, wait) =>
      upon(relay, ["life"], async ({ running }) => {
        const pid = random.pick(running?.workers ?? []);
        if (!isAlive(pid)) return null;
        await strike(pid, wait);
        return done;
      }),
  });

  /** What is done to one of the parts of a relay of several nodes; one at a time of each sort. */
  const part = (
    kind: string,
    strike: (relay: ClusterMachine, which: number, wait: Wait) => Promise<boolean>,
  ): Affliction => ({
    kind,
    missing: relay instanceof ClusterMachine ? null : "the relay has one node",
    strike: (random, wait) =>
      upon(relay, kind.startsWith("node") ? ["life"] : [kind], async () => {
        if (!(relay instanceof ClusterMachine)) return null;
        const which = random.between(0, relay.nodes - 1);
        return (await strike(relay, which, wait)) ? `${kind} (${which})` : null;
      }),
  });

  const device = (random: Prng): DeviceMachine => random.pick(devices);
  return [
    kill("client killed", device),
    kill("relay killed", () => relay),
    stop("client paused", device),
    stop("relay paused", () => relay),
    worker("worker killed", "has a worker less for a moment", async (pid, wait) => {
      process.kill(pid, "SIGKILL");
      await wait(0, 1_000);
    }),
    worker("worker paused", "has a worker that stood still", async (pid, wait) => {
      process.kill(pid, "SIGSTOP");
      await wait(100, 12_000);
      if (isAlive(pid)) process.kill(pid, "SIGCONT");
    }),
    part("node killed", (cluster, which, wait) => cluster.killNode(which, () => wait(0, 4_000))),
    part("node paused", (cluster, which, wait) => cluster.pauseNode(which, () => wait(500, 9_000))),
    part("node alone", async ({ services }, which, wait) => {
      services.partition(which, "silent");
      await wait(1_000, 9_000);
      services.partition(which, "open");
      return true;
    }),
    part("bus route cut", async ({ services }, which, wait) => {
      services.partition(which, "cut");
      await wait(200, 6_000);
      services.partition(which, "open");
      return true;
    }),
    part("bus server killed", async ({ services }, which, wait) => {
      await services.nats[which]?.kill();
      await wait(0, 4_000);
      await services.nats[which]?.start();
      return true;
    }),
    part("store node killed", async ({ services }, which, wait) => {
      await services.cassandra.nodes[which]?.kill();
      await wait(0, 4_000);
      await services.cassandra.nodes[which]?.start();
      return true;
    }),
    way("relay path reset", "cut", 6_000),
    way("relay path silent", "silent", 9_000),
    {
      kind: "relay path delayed",
      missing: null,
      strike: (random, wait) =>
        upon(device(random), ["relay delay"], async ({ path }) => {
          path.delayMs = random.between(20, MOST_DELAY_MS);
          await wait(500, 8_000);
          path.delayMs = 0;
          return "relay path slow";
        }),
    },
    {
      kind: "relay wire cut",
      missing: noNamespaces,
      strike: (random, wait) =>
        upon(device(random), ["relay wire"], async ({ index }) => {
          namespaces?.setRelay(index, "down");
          await wait(50, 9_000);
          namespaces?.setRelay(index, "up");
          return "relay wire cut";
        }),
    },
    {
      kind: "direct wire cut",
      missing: noNamespaces,
      strike: (random, wait) =>
        upon(device(random), ["direct wire"], async ({ index }) => {
          namespaces?.setDirect(index, "down");
          await wait(50, 12_000);
          namespaces?.setDirect(index, "up");
          return "direct wire cut";
        }),
    },
    {
      kind: "direct wire delayed",
      missing: noSlowness,
      strike: (random, wait) =>
        upon(device(random), ["direct delay"], async ({ index }) => {
          namespaces?.slowDirect(index);
          await wait(500, 8_000);
          namespaces?.quickDirect(index);
          return "direct wire slow";
        }),
    },
    fill(
      "client disk full",
      devices.filter(({ place }) => place.disk),
    ),
    {
      ...fill("relay disk full", [relay]),
      ...(relay.place.disk ? {} : { missing: cast.noDisks ?? "the relay has no disk of its own" }),
    },
    skew("client clock", device),
    skew("relay clock", () => relay),
    {
      kind: "last write torn",
      missing: noNamespaces,
      strike: (random) =>
        upon(device(random), ["life", "relay path", "direct wire", "disk"], async (machine) => {
          machine.path.way = "cut";
          namespaces?.setDirect(machine.index, "down");
          let torn = 0;
          await traffic.whileResting(machine, async () => {
            torn = await tearLastWrite(machine, cast.talksOf(machine), traffic, random);
          });
          await machine.kill();
          await machine.start();
          machine.path.way = "open";
          namespaces?.setDirect(machine.index, "up");
          return torn > 0 ? `last write torn by ${torn} bytes` : null;
        }),
    },
  ];
}
