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

/** What the first world that shows it says is wrong. */
async function caught(sabotage?: Sabotage, firstSeed = 1): Promise<string> {
  for (let seed = firstSeed; seed <= MAX_WORLDS; seed++) {
    const { world } = await play({ ...familyOf(seed), ...(sabotage && { sabotage }) });
    if (world.violations.length > 0) return world.violations.join("\n");
  }
  return "nothing";
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
    expect(await caught(only("relay", early))).toMatch(
      /is not sent: nobody has it|the relay has lost entries/,
    );
  });

  it("by a device: what was delivered is nowhere", async () => {
    expect(await caught(only("device", early))).toMatch(/is not delivered: nobody has it/);
  });
});

describe("appending that is not idempotent", () => {
  it("what is handed in again is in the log again", async () => {
    // No n is at most this, nor beyond the next one: every entry counts as new.
    vi.spyOn(Conversations.prototype, "lastN").mockResolvedValue(Number.NaN);
    vi.spyOn(Stage.prototype, "lastN").mockReturnValue(Number.NaN);
    // The first world does not come to its end in reasonable time when broken like this.
    expect(await caught(undefined, 2)).toMatch(/the log has an entry twice|moved from \d+ to \d+/);
  });

  it("a relay that forgets how far it has come with a device refuses the next", async () => {
    const forgets = forgetting((key) => key.startsWith("last/"));
    expect(await caught(only("relay", forgets))).toMatch(/messages where the log has|is still/);
  });
});

describe("an order of its own", () => {
  it("a device that files by arrival shows another history than the log", async () => {
    expect(await caught(only("device", byArrival))).toMatch(
      /moved from \d+ to \d+|shows \S+ after|messages where the log has/,
    );
  });
});

describe("rows that are forgotten", () => {
  it("for whom the relay has something new: a device stays behind", async () => {
    const forgets = forgetting((key) => key.startsWith("inbox/"));
    expect(await caught(only("relay", forgets))).toMatch(/is still|is behind|the log has/);
  });

  it("what a device has of the log: it shows something twice or not at all", async () => {
    const forgets = forgetting((key) => key.startsWith("origin/"));
    expect(await caught(only("device", forgets))).toMatch(
      /nobody has it|twice|the log has|is still/,
    );
  });
});
