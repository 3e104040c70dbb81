/** What people do: random operations from a seed, many at once on every device. */
import { setMaxListeners } from "node:events";
import type { Method, Params, Results } from "../../../shared/client-api.js";
import type { ConversationId, MessageId } from "../../../shared/ids.js";
import { RpcError } from "../../real/processes.js";
import type { Memory } from "../../sim/memory.js";
import type { Stage } from "../../sim/talk.js";
import { Prng } from "../../sim/virtual-time.js";
import type { Cast, Talk } from "./cast.js";
import type { DeviceMachine, Sent } from "./machine.js";
import { pause } from "./pause.js";
import { isExpected } from "./refusals.js";
import type { Watch } from "./watch.js";

/** Operations that a device has running at once at the most; a person clicks no faster, a bot does. */
const AT_ONCE = 6;
const ABSENT_MS = 50;
/** So many own messages without a place make a hand's pauses once as long again. */
const WAITING_STEP = 10;

/** A killed process took the call with it. */
class Unanswered extends Error {}

/** One thing that somebody does. */
type Operate = (traffic: Traffic, device: DeviceMachine, random: Prng) => Promise<void>;

export class Traffic implements Stage<DeviceMachine> {
  /** That were answered, by what was asked for; also those that were refused for a good reason. */
  readonly answered = new Map<string, number>();
  /** That a killed process took with it. */
  unanswered = 0;
  readonly cast: Cast;
  /** Whether people make each other admins. */
  readonly admins: boolean;
  readonly watch: Watch;
  readonly #operate: Operate;
  readonly #longestPauseMs: number;
  readonly #hands: Promise<void>[] = [];
  readonly #resting = new Set<DeviceMachine>();
  /** Operations running on each device. */
  readonly #running = new Map<DeviceMachine, Set<Promise<void>>>();
  /** Calls without an answer yet. */
  readonly #asked = new Map<object, string>();
  readonly #over = new AbortController();
  #labels = 0;

  constructor(
    cast: Cast,
    watch: Watch,
    {
      admins,
      operate,
      longestPauseMs,
    }: {
      admins: boolean;
      operate: Operate;
      /** Between the end of one operation and the next of the same hand. */
      longestPauseMs: number;
    },
  ) {
    this.#longestPauseMs = longestPauseMs;
    this.admins = admins;
    this.#operate = operate;
    this.cast = cast;
    this.watch = watch;
  }

  /** What was asked and not answered yet. */
  get pending(): readonly string[] {
    return [...this.#asked.values()];
  }

  get memory(): Memory {
    return this.cast.memory;
  }

  begin(seeds: Prng): void {
    // As many as there are hands.
    setMaxListeners(0, this.#over.signal);
    for (const device of this.cast.devices) this.join(device, seeds);
  }

  /** A device begins to talk, and ends when it is no longer linked. */
  join(device: DeviceMachine, seeds: Prng): void {
    for (let i = 0; i < AT_ONCE; i++) {
      this.#hands.push(this.#hand(device, new Prng(seeds.between(1, 2 ** 31))));
    }
  }

  /** Begins nothing more; resolves when everything is answered. */
  async end(): Promise<void> {
    this.#over.abort();
    await Promise.all(this.#hands);
  }

  /** Runs `act` when a device has answered everything, and asks it nothing else meanwhile. */
  async whileResting(device: DeviceMachine, act: () => Promise<void>): Promise<void> {
    this.#resting.add(device);
    try {
      await this.answers(device);
      await act();
    } finally {
      this.#resting.delete(device);
    }
  }

  /** Resolves when everything is answered that a device was asked until now. */
  async answers(device: DeviceMachine): Promise<void> {
    await Promise.all(this.#running.get(device) ?? []);
  }

  get operations(): number {
    return [...this.answered.values()].reduce((sum, count) => sum + count, 0);
  }

  async #hand(device: DeviceMachine, random: Prng): Promise<void> {
    while (!this.#over.signal.aborted && this.cast.devices.includes(device)) {
      const idle = !this.#resting.has(device) && device.running;
      if (idle) await this.#counted(device, this.#operate(this, device, random));
      const pauseMs = idle ? random.fraction() * this.#patienceMs(device) : ABSENT_MS;
      await pause(pauseMs, this.#over.signal);
    }
  }

  /** Who sees own messages waiting writes less; otherwise a slow machine would be ever further behind. */
  #patienceMs(device: DeviceMachine): number {
    return this.#longestPauseMs * (1 + this.watch.waiting(device) / WAITING_STEP);
  }

  async #counted(device: DeviceMachine, operation: Promise<void>): Promise<void> {
    const running = this.#running.get(device) ?? new Set();
    const over = operation.catch((error: unknown) => {
      // What was refused without a good reason is told already.
      if (error instanceof RpcError || error instanceof Unanswered) return;
      this.watch.violate(`${device.name}: ${error instanceof Error ? error.stack : error}`);
    });
    this.#running.set(device, running.add(over));
    await over;
    running.delete(over);
  }

  /** `acknowledged` is called at the very answer that the message is queued. */
  async send(
    device: DeviceMachine,
    conversationId: ConversationId,
    text: string,
    replyTo?: MessageId,
    acknowledged?: () => void,
  ): Promise<void> {
    const sent: Sent = { conversationId, text, messageId: null, refused: null };
    device.sent.push(sent);
    const params = { conversationId, text, ...(replyTo && { replyTo }) };
    try {
      sent.messageId = (await this.ask(device, "messages.send", params)).messageId;
      acknowledged?.();
    } catch (error) {
      if (error instanceof RpcError) sent.refused = { code: error.code ?? "" };
      throw error;
    }
  }

  /** @throws what the call throws; it is a violation when no fault explains it. */
  async ask<M extends Method>(
    device: DeviceMachine,
    method: M,
    params: Params<M>,
  ): Promise<Results[M]> {
    const client = device.running;
    if (!client) throw new Unanswered(`${device.name} does not run`);
    const call = {};
    this.#asked.set(call, `${device.name} for ${method} since ${new Date().toISOString()}`);
    try {
      const result = await client.call(method, params);
      this.#count(method);
      return result;
    } catch (error) {
      if (!(error instanceof RpcError)) {
        this.unanswered++;
        throw new Unanswered(`${device.name} ended`);
      }
      this.#count(method);
      if (!isExpected(method, error.code ?? "")) {
        const { code, message } = error;
        this.watch.violate(`${device.name}: ${method} was refused with ${code}: ${message}`);
      }
      throw error;
    } finally {
      this.#asked.delete(call);
    }
  }

  /** With which a text begins that nobody else writes. */
  label({ name }: DeviceMachine): string {
    this.#labels++;
    return `${name}.${this.#labels}`;
  }

  /** A message that nobody needs, to see whether it gets through. */
  async farewell(device: DeviceMachine, { id }: Talk): Promise<MessageId | null> {
    await this.send(device, id, `${this.label(device)}.farewell`);
    return device.sent.findLast(({ conversationId }) => conversationId === id)?.messageId ?? null;
  }

  #count(method: Method): void {
    this.answered.set(method, (this.answered.get(method) ?? 0) + 1);
  }
}
