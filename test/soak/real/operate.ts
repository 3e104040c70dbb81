import { speakOf } from "../../sim/talk.js";
import type { Prng } from "../../sim/virtual-time.js";
import { found, join, regroup } from "./groups.js";
import type { DeviceMachine } from "./machine.js";
import type { Traffic } from "./traffic.js";

/** One thing that a device does, drawn at random. */
export async function operate(
  traffic: Traffic,
  device: DeviceMachine,
  random: Prng,
): Promise<void> {
  const talk = random.pick(traffic.cast.talksOf(device));
  const conversationId = talk.id;
  const dice = random.between(1, 1_000);
  if (dice <= 280) {
    await traffic.send(device, conversationId, textOf(traffic, device, random));
  } else if (dice <= 530) {
    const limit = random.between(1, 100);
    const list = await traffic.ask(device, "messages.list", { conversationId, limit });
    traffic.watch.ordered(device, list);
  } else if (dice <= 790) {
    await speakOf(traffic, random, device, conversationId, traffic.label(device));
  } else if (dice <= 860) {
    const active = random.chance(0.5);
    await traffic.ask(device, "typing.set", { conversationId, active });
  } else if (dice <= 925) {
    const text = random.chance(0.2) ? "" : `draft ${random.between(1, 1_000_000)}`;
    await traffic.ask(device, "conversations.setDraft", { conversationId, text });
  } else if (dice <= 965) {
    await traffic.ask(device, "conversations.list", {});
  } else if (dice <= 975) {
    // A direct channel begins with it.
    const handle = random.pick(traffic.cast.handles);
    await traffic.ask(device, "conversations.open", { handle });
  } else if (dice <= 983) {
    const directEnabled = random.chance(0.7);
    await traffic.ask(device, "settings.set", { directEnabled });
  } else if (dice <= 985) {
    const seconds = random.pick([0, 0, 86_400] as const);
    await traffic.ask(device, "conversations.setTimer", { conversationId, seconds });
  } else if (talk.isGroup) {
    await regroup(traffic, random, device, talk);
  } else if (random.chance(0.1)) {
    await found(traffic, random, device);
  } else {
    await join(traffic, random, device);
  }
}

function textOf(traffic: Traffic, device: DeviceMachine, random: Prng): string {
  // A few of them fill an append or a page by themselves.
  const more = random.chance(0.005) ? ` ${"x".repeat(random.between(20_000, 60_000))}` : "";
  return `${traffic.label(device)}${more}`;
}
