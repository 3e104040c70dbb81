/** Calls of the client API in a simulated world, where time has to run for an answer. */
import type { Conversation, Message, Method, Params, Results } from "../../shared/client-api.js";
import type { DovetailError } from "../../shared/errors.js";
import type { ConversationId } from "../../shared/ids.js";
import type { Device } from "./machine.js";
import type { World } from "./world.js";

export class Asking {
  readonly world: World;

  constructor(world: World) {
    this.world = world;
  }

  /** @throws what the call throws. */
  async ask<M extends Method>(device: Device, method: M, params: Params<M>): Promise<Results[M]> {
    let outcome: { result: Results[M] } | { error: unknown } | null = null;
    await this.world.act([
      device.client?.call(method, params).then(
        (result) => {
          outcome = { result };
        },
        (error: unknown) => {
          outcome = { error };
        },
      ),
    ]);
    const ended = outcome as { result: Results[M] } | { error: unknown } | null;
    if (!ended) throw new Error(`${device.name} does not answer ${method}`);
    if ("error" in ended) throw ended.error;
    return ended.result;
  }

  /** The code with which a call fails. */
  async refusal<M extends Method>(device: Device, method: M, params: Params<M>): Promise<string> {
    try {
      await this.ask(device, method, params);
    } catch (error) {
      return (error as DovetailError).code;
    }
    return "accepted";
  }

  list(device: Device, conversationId: ConversationId): Promise<readonly Message[]> {
    return this.ask(device, "messages.list", { conversationId, limit: 500 });
  }

  async find(device: Device, conversationId: ConversationId, text: string): Promise<Message> {
    const found = (await this.list(device, conversationId)).find((each) => each.text === text);
    if (!found) throw new Error(`${device.name} does not show "${text}"`);
    return found;
  }

  about(device: Device, conversationId: ConversationId): Promise<Conversation> {
    return this.ask(device, "conversations.get", { conversationId });
  }

  /** Sends and waits until it is everywhere. */
  async say(
    device: Device,
    conversationId: ConversationId,
    text: string,
    replyTo?: Message["messageId"],
  ): Promise<Message> {
    const params = { conversationId, text, ...(replyTo && { replyTo }) };
    const { messageId } = await this.ask(device, "messages.send", params);
    await this.world.run(5_000);
    return this.ask(device, "messages.get", { messageId });
  }
}
