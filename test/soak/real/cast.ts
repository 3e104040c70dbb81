/** Who takes part: a relay, people with a device or several, and the conversations between them. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { ClientEvent } from "../../../shared/client-api.js";
import type { ConversationId, UserId } from "../../../shared/ids.js";
import { RpcError, type Scene, until } from "../../real/processes.js";
import { Memory } from "../../sim/memory.js";
import type { Prng } from "../../sim/virtual-time.js";
import { ClusterMachine, type Services } from "./cluster.js";
import { copyData, SmallDisk, whyNoDisks } from "./disks.js";
import { DeviceMachine, type Place, RelayMachine } from "./machine.js";
import { RelayPath } from "./relay-path.js";
import { wiresFor } from "./wires.js";

/** Handles, how many devices each of them has, and how many more may be linked later. */
const PEOPLE = [
  ["alice", 3, 1],
  ["bob", 2, 1],
  ["carol", 1, 0],
  ["dave", 1, 0],
] as const;

const DEVICES = PEOPLE.reduce((sum, [, count, spare]) => sum + count + spare, 0);

/** Devices whose disk can be full, besides the relay's: one of several, and an only one. */
const ON_SMALL_DISKS = new Set(["alice-2", "carol-1"]);

/** A conversation of any kind. */
export interface Talk {
  readonly id: ConversationId;
  readonly isGroup: boolean;
  /** Handles of all that can ever have been in it. */
  readonly handles: Set<string>;
  /** Those who talk there now. */
  readonly present: Set<string>;
  /** Who may not come just now, because somebody is about to leave. */
  readonly parting: Set<string>;
}

export const newTalk = (
  id: ConversationId,
  isGroup: boolean,
  handles: readonly string[],
): Talk => ({
  id,
  isGroup,
  handles: new Set(handles),
  present: new Set(handles),
  parting: new Set(),
});

export class Cast {
  /** That are linked. */
  readonly devices: DeviceMachine[] = [];
  /** Not linked yet. */
  readonly spares: DeviceMachine[] = [];
  readonly removed: DeviceMachine[] = [];
  readonly memory = new Memory();
  readonly talks: Talk[] = [];
  readonly relay: RelayMachine;
  /** Of a relay of several nodes. */
  readonly services: Services | null;
  readonly wires: ReturnType<typeof wiresFor>;
  /** Why no disk can be full; null where some can. */
  readonly noDisks: string | null;
  readonly #scene: Scene;
  readonly #folder: string;
  readonly #disks: SmallDisk[] = [];
  readonly #violate: (what: string) => void;
  readonly #note: (line: string) => void;
  /** Processes of devices that WebRTC's library has ended. */
  crashes = 0;
  readonly #users = new Map<string, UserId>();

  constructor(
    scene: Scene,
    folder: string,
    {
      workers,
      services,
      violate,
      note,
    }: {
      workers: number;
      services: Services | null;
      violate: (what: string) => void;
      note: (line: string) => void;
    },
  ) {
    this.#scene = scene;
    this.#folder = folder;
    this.#violate = violate;
    this.#note = note;
    this.noDisks = whyNoDisks(folder);
    this.wires = wiresFor(DEVICES);
    this.services = services;
    this.relay = services
      ? new ClusterMachine("relay", this.#place("relay", false), services)
      : new RelayMachine("relay", this.#place("relay", true), workers);
  }

  /** Registers and links everybody, and opens every conversation there can be. */
  async gather(
    random: Prng,
    hears: (device: DeviceMachine, event: ClientEvent, life: number) => void,
  ): Promise<void> {
    await this.relay.start();
    for (const [handle, count, spare] of PEOPLE) {
      for (let number = 1; number <= count + spare; number++) {
        const name = `${handle}-${number}`;
        const index = this.all.length;
        const gate = this.wires.gate(index);
        const path = await RelayPath.open(gate, this.relay.port, () => random.fraction());
        const place = this.#place(name, ON_SMALL_DISKS.has(name));
        const within = this.wires.within(index);
        const own = number <= count ? this.devices : this.spares;
        own.push(new DeviceMachine(name, place, { handle, index, path, gate, within, hears }));
      }
    }
    await Promise.all(this.devices.map((device) => device.start()));
    const users = await Promise.all(PEOPLE.map(([handle]) => joinAccount(this.devicesOf(handle))));
    for (const [i, [handle]] of PEOPLE.entries()) this.#users.set(handle, users[i] as UserId);
    await this.#acquaint();
  }

  get all(): DeviceMachine[] {
    return [...this.devices, ...this.spares, ...this.removed];
  }

  userOf(handle: string): UserId | undefined {
    return this.#users.get(handle);
  }

  handleOf(userId: UserId): string {
    return [...this.#users].find(([, user]) => user === userId)?.[0] ?? userId;
  }

  get handles(): string[] {
    return [...this.#users.keys()];
  }

  devicesOf(handle: string): DeviceMachine[] {
    return this.devices.filter((device) => device.handle === handle);
  }

  talksOf({ handle }: DeviceMachine): Talk[] {
    return this.talks.filter(({ present }) => present.has(handle));
  }

  /** Copies what a small disk holds to where it outlasts the disk. */
  keep(): void {
    for (const { name, place, data } of [this.relay, ...this.all]) {
      if (place.disk) copyData(data, join(this.#folder, name));
    }
  }

  async close(): Promise<void> {
    for (const { path } of this.all) await path.close();
    for (const disk of this.#disks) disk.unmount();
    this.wires.remove();
  }

  #place(name: string, small: boolean): Place {
    let disk: SmallDisk | null = null;
    if (small && this.noDisks === null) {
      disk = new SmallDisk(join(this.#folder, `${name}.disk`));
      this.#disks.push(disk);
    }
    mkdirSync(this.#folder, { recursive: true });
    const crashed = (which: string) => {
      this.crashes++;
      this.#note(`${which} crashed in WebRTC's library`);
    };
    return { scene: this.#scene, folder: this.#folder, disk, violate: this.#violate, crashed };
  }

  async #acquaint(): Promise<void> {
    for (const [i, [one]] of PEOPLE.entries()) {
      for (const [other] of PEOPLE.slice(i)) {
        const client = clientOf(this.devicesOf(one)[0]);
        const opened = await patiently(() => client.call("conversations.open", { handle: other }));
        this.talks.push(newTalk(opened.conversationId, false, [one, other]));
      }
    }
    this.talks.push(await this.#group());
    for (const device of this.devices) {
      await until(
        `${device.name} knows its conversations`,
        () => clientOf(device).call("conversations.list", {}),
        (list) =>
          this.talksOf(device).every(({ id }) => list.some((each) => each.conversationId === id)),
      );
    }
  }

  /** A group of all, of whom the last joins when something was written already. */
  async #group(): Promise<Talk> {
    const [first, ...others] = PEOPLE.map(([handle]) => handle);
    const late = others.pop();
    const maker = this.devices.find(({ handle }) => handle === first);
    const client = clientOf(maker);
    if (!first || !late || !maker) throw new Error("a group takes two");
    const made = await client.call("groups.create", { name: "Everybody", handles: others });
    const { conversationId } = made;
    const text = `not for ${late}`;
    const { messageId } = await client.call("messages.send", { conversationId, text });
    maker.sent.push({ conversationId, text, messageId, refused: null });
    await client.call("groups.add", { conversationId, handles: [late] });
    return newTalk(conversationId, true, [first, ...others, late]);
  }
}

const TRIES = 30;
const RETRY_MS = 1_000;

/** A database that has just begun may take longer than it is waited for. For what may be asked twice. */
async function patiently<T>(ask: () => Promise<T>): Promise<T> {
  for (let left = TRIES; ; left--) {
    try {
      return await ask();
    } catch (error) {
      const busy =
        error instanceof RpcError && /^(?:storage_failed|overloaded)$/.test(error.code ?? "");
      if (!busy || left === 1) throw error;
      await sleep(RETRY_MS);
    }
  }
}

const clientOf = (device: DeviceMachine | undefined) => {
  if (!device?.running) throw new Error(`${device?.name} does not run`);
  return device.running;
};

/** The first registers, and lets the others in. */
async function joinAccount(devices: readonly DeviceMachine[]): Promise<UserId> {
  const [first, ...others] = devices;
  if (!first) throw new Error("everybody has a device");
  const { handle } = first;
  const account = await clientOf(first).call("account.register", { handle, displayName: handle });
  first.deviceId = account.deviceId;
  for (const device of others) {
    const { code } = await clientOf(first).call("devices.pair", {});
    device.deviceId = (await clientOf(device).call("account.link", { code })).deviceId;
  }
  return account.userId;
}
