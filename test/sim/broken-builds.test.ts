/** Builds that are broken on purpose, each in one thing: the checker has to say which. */
import { afterEach, describe, expect, it, vi } from "vitest";
import { keys, logRow } from "../../electron/client/rows.js";
import { Conversations } from "../../relay/core/conversations.js";
import { Stage } from "../../relay/core/stage.js";
import type { ConversationId } from "../../shared/ids.js";
import type { KeyValue, Write } from "../../shared/key-value.js";
import { familyOf } from "./family.js";
import { play } from "./scenario.js";

/** Worlds within which every one of these has to show. */
const MAX_WORLDS = 40;

type Owner = "relay" | "device";
type Sabotage = (store: KeyValue, owner: Owner) => KeyValue;

/** What the first world says is wrong that is wrong in that way; else what the last one said. */
async function caught(cause: RegExp, sabotage?: Sabotage): Promise<string> {
  let said = "nothing";
  for (let seed = 1; seed <= MAX_WORLDS; seed++) {
    const { world } = await play({ ...familyOf(seed), ...(sabotage && { sabotage }) });
    if (world.violations.length > 0) said = world.violations.join("\n");
    if (cause.test(said)) break;
  }
  return said;
}

const only =
  (broken: Owner, by: (store: KeyValue) => KeyValue): Sabotage =>
  (store, owner) =>
    owner === broken ? by(store) : store;

const early = (store: KeyValue): KeyValue => ({
  ...store,
  batch: (writes) => store.batch(writes, false),
});

/** Loses what is written to some rows. */
const forgetting =
  (lost: (key: string) => boolean) =>
  (store: KeyValue): KeyValue => ({
    ...store,
    batch: (writes, durable) =>
      store.batch(
        writes.filter(({ key }) => !lost(key)),
        durable,
      ),
  });

type Put = Extract<Write, { type: "put" }>;

/** Gives the places of a batch to its messages in the order in which the device first had them. */
function byArrival(store: KeyValue): KeyValue {
  const arrivals = new Map<string, number>();
  const arrivalOf = ({ key, value }: Put): number => {
    const id = key.split("/")[1] as ConversationId;
    return arrivals.get(keys.tail(id, logRow.decode(value))) ?? Number.POSITIVE_INFINITY;
  };
  return {
    ...store,
    batch: (writes, durable) => {
      const isPlaced = (write: Write): write is Put =>
        write.type === "put" && write.key.startsWith("shown/");
      for (const { key } of writes) {
        const isNew = key.startsWith(keys.tails) && !arrivals.has(key);
        if (isNew) arrivals.set(key, arrivals.size);
      }
      const placed = writes.filter(isPlaced);
      const arrived = [...placed].sort((a, b) => arrivalOf(a) - arrivalOf(b) || 0);
      const moved = placed.map(({ key }, i) => ({ ...(arrived[i] as Put), key }));
      return store.batch([...writes.filter((write) => !isPlaced(write)), ...moved], durable);
    },
  };
}

afterEach(() => {
  vi.restoreAllMocks();
});

describe("acknowledged before the platter has it", () => {
  it("by the relay: what was sent is gone", async () => {
    const cause = /is not sent: nobody has it|the relay has lost entries/;
    expect(await caught(cause, only("relay", early))).toMatch(cause);
  });

  it("by a device: what was delivered is nowhere", async () => {
    const cause = /is not delivered: nobody has it/;
    expect(await caught(cause, only("device", early))).toMatch(cause);
  });
});

describe("appending that is not idempotent", () => {
  it("what is handed in again is in the log again", async () => {
    // No n is at most this, nor beyond the next one: every entry counts as new.
    vi.spyOn(Conversations.prototype, "lastN").mockResolvedValue(Number.NaN);
    vi.spyOn(Stage.prototype, "lastN").mockReturnValue(Number.NaN);
    const cause = /the log has an entry twice|moved from \d+ to \d+/;
    expect(await caught(cause)).toMatch(cause);
  });

  it("a relay that forgets how far it has come with a device refuses the next", async () => {
    const forgets = forgetting((key) => key.startsWith("last/"));
    const cause = /messages where the log has|is still|has not brought/;
    expect(await caught(cause, only("relay", forgets))).toMatch(cause);
  });
});

describe("an order of its own", () => {
  it("a device that files by arrival shows another history than the log", async () => {
    const cause = /moved from \d+ to \d+|shows \S+ after|messages where the log has/;
    expect(await caught(cause, only("device", byArrival))).toMatch(cause);
  });
});

describe("rows that are forgotten", () => {
  it("for whom the relay has something new: a device stays behind", async () => {
    const forgets = forgetting((key) => key.startsWith("inbox/"));
    const cause = /is still|is behind|the log has|has not brought/;
    expect(await caught(cause, only("relay", forgets))).toMatch(cause);
  });

  it("what a device has of the log: it shows something twice or not at all", async () => {
    const forgets = forgetting((key) => key.startsWith("origin/"));
    const cause = /nobody has it|twice|the log has|is still/;
    expect(await caught(cause, only("device", forgets))).toMatch(cause);
  });
});
