/** What people do: random operations from a seed, many at once on every device. */

import type { Message } from "../../../shared/client-api.js";
import { type Headless, RpcError } from "../../real/processes.js";
import { Prng } from "../../sim/virtual-time.js";
import type { Cast, Talk } from "./cast.js";
import type { DeviceMachine, Sent } from "./machine.js";
import type { Watch } from "./watch.js";

/** Operations that a device has running at once at the most; a person clicks no faster, a bot does. */
const AT_ONCE = 6;
/** Milliseconds between the end of one operation and the next of the same kind of hand. */
const LONGEST_PAUSE_MS = 400;
const ABSENT_MS = 50;

/** What may go wrong while the relay, a disk or a process is gone; all others are violations. */
const EXPECTED = new Set([
  "disk_full",
  "storage_failed",
  "relay_unreachable",
  "timeout",
  "rate_limited",
  "overloaded",
  "shutting_down",
]);

export class Traffic {
  /** That were answered, by what was asked for; also those that were refused for a good reason. */
  readonly answered = new Map<string, number>();
  /** That a killed process took with it. */
  unanswered = 0;
  readonly #cast: Cast;
  readonly #watch: Watch;
  readonly #hands: Promise<void>[] = [];
  readonly #resting = new Set<DeviceMachine>();
  /** Operations running on each device. */
  readonly #running = new Map<DeviceMachine, Set<Promise<void>>>();
  #going = true;

  constructor(cast: Cast, watch: Watch) {
    this.#cast = cast;
    this.#watch = watch;
  }

  begin(seeds: Prng): void {
    for (const device of this.#cast.devices) {
      for (let i = 0; i < AT_ONCE; i++) {
        this.#hands.push(this.#hand(device, new Prng(seeds.between(1, 2 ** 31))));
      }
    }
  }

  /** Begins nothing more; resolves when everything is answered. */
  async end(): Promise<void> {
    this.#going = false;
    await Promise.all(this.#hands);
  }

  /** Runs `act` when a device has answered everything, and asks it nothing else meanwhile. */
  async whileResting(device: DeviceMachine, act: () => Promise<void>): Promise<void> {
    this.#resting.add(device);
    try {
      await Promise.all(this.#running.get(device) ?? []);
      await act();
    } finally {
      this.#resting.delete(device);
    }
  }

  get operations(): number {
    return [...this.answered.values()].reduce((sum, count) => sum + count, 0);
  }

  async #hand(device: DeviceMachine, random: Prng): Promise<void> {
    while (this.#going) {
      const client = this.#resting.has(device) ? null : device.running;
      if (client) await this.#counted(device, this.#operate(device, client, random));
      const pauseMs = client ? random.fraction() * LONGEST_PAUSE_MS : ABSENT_MS;
      await new Promise((done) => setTimeout(done, pauseMs));
    }
  }

  async #counted(device: DeviceMachine, operation: Promise<void>): Promise<void> {
    const running = this.#running.get(device) ?? new Set();
    this.#running.set(device, running.add(operation));
    await operation;
    running.delete(operation);
  }

  /** One operation, and what the answer has to be like. */
  async #operate(device: DeviceMachine, client: Headless, random: Prng): Promise<void> {
    const talk = random.pick(this.#cast.talksOf(device));
    const conversationId = talk.id;
    const dice = random.between(1, 100);
    if (dice <= 30) {
      await this.send(device, client, talk, random);
    } else if (dice <= 60) {
      await this.#ask("messages.list", device, async () => {
        const limit = random.between(1, 100);
        const list = await client.call("messages.list", { conversationId, limit });
        this.#watch.ordered(device, list);
      });
    } else if (dice <= 75) {
      await this.#ask("conversations.markRead", device, () => read(device, client, talk, random));
    } else if (dice <= 85) {
      const active = random.chance(0.5);
      await this.#ask("typing.set", device, () =>
        client.call("typing.set", { conversationId, active }),
      );
    } else if (dice <= 94) {
      const text = random.chance(0.2) ? "" : `draft ${random.between(1, 1_000_000)}`;
      await this.#ask("conversations.setDraft", device, () =>
        client.call("conversations.setDraft", { conversationId, text }),
      );
    } else if (dice <= 98) {
      await this.#ask("conversations.list", device, () => client.call("conversations.list", {}));
    } else if (dice <= 99) {
      // A direct channel begins with it.
      const handle = random.pick([...talk.members.keys()]);
      await this.#ask("conversations.open", device, () =>
        client.call("conversations.open", { handle }),
      );
    } else {
      const directEnabled = random.chance(0.7);
      await this.#ask("settings.set", device, () => client.call("settings.set", { directEnabled }));
    }
  }

  /** `acknowledged` is called at the very answer that the message is queued. */
  async send(
    device: DeviceMachine,
    client: Headless,
    talk: Talk,
    random: Prng,
    acknowledged?: () => void,
  ): Promise<void> {
    // A few of them fill an append or a page by themselves.
    const more = random.chance(0.005) ? ` ${"x".repeat(random.between(20_000, 60_000))}` : "";
    const sent: Sent = {
      conversationId: talk.id,
      text: `${device.name}.${device.sent.length + 1}${more}`,
      messageId: null,
      refused: null,
    };
    device.sent.push(sent);
    const { conversationId, text } = sent;
    await this.#ask("messages.send", device, async () => {
      try {
        sent.messageId = (await client.call("messages.send", { conversationId, text })).messageId;
        acknowledged?.();
      } catch (error) {
        if (error instanceof RpcError) sent.refused = { code: error.code ?? "" };
        throw error;
      }
    });
  }

  async #ask(what: string, device: DeviceMachine, ask: () => Promise<unknown>): Promise<void> {
    try {
      await ask();
    } catch (error) {
      if (!(error instanceof RpcError)) {
        this.unanswered++;
        return;
      }
      if (!EXPECTED.has(error.code ?? "")) {
        this.#watch.violate(
          `${device.name}: ${what} was refused with ${error.code}: ${error.message}`,
        );
      }
    }
    this.answered.set(what, (this.answered.get(what) ?? 0) + 1);
  }
}

/** Marks one of the latest messages, and knows then that all before it are read too. */
async function read(
  device: DeviceMachine,
  client: Headless,
  { id: conversationId }: Talk,
  random: Prng,
): Promise<void> {
  const list = await client.call("messages.list", { conversationId, limit: 5 });
  const message = list.length > 0 ? random.pick<Message>(list) : null;
  if (!message) return;
  const { messageId } = message;
  await client.call("conversations.markRead", { conversationId, messageId });
  device.read.add(messageId);
}
