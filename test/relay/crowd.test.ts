/** Groups so large that not everybody is noted, nor told of everything. */
import { beforeEach, describe, expect, it, vi } from "vitest";
import { MAX_NOTED_MEMBERS } from "../../relay/core/bounds.js";
import type { ConversationId, UserId } from "../../shared/ids.js";
import { MAX_GROUP_MEMBERS } from "../../shared/limits.js";
import { type Client, World } from "./world.js";

let world: World;
let alice: Client;
let bob: Client;
const club = "c1".repeat(16) as ConversationId;

beforeEach(async () => {
  world = await World.open();
  alice = await world.person("alice");
  bob = await world.person("bob");
});

async function many(count: number): Promise<UserId[]> {
  const people = await Promise.all(
    Array.from({ length: count }, (_, i) => world.person(`user_${i}`)),
  );
  return people.map(({ userId }) => userId);
}

async function changes(client: Client, after: number) {
  const answer = await client.ask({ type: "getChanges", after, limit: 10 });
  if (answer.type !== "changes") throw new Error(answer.type);
  return answer;
}

describe("a group as large as one may be", () => {
  it("costs no more rows an append than a small one, and tells all that are there", async () => {
    const small = "c2".repeat(16) as ConversationId;
    await alice.createGroup(small, [bob.userId]);
    await alice.createGroup(club, [bob.userId, ...(await many(MAX_GROUP_MEMBERS - 2))]);
    const batches = vi.spyOn(world.kv, "batch");
    const rowsOf = async (id: ConversationId): Promise<number> => {
      batches.mockClear();
      await alice.append(id, 1, ["to all"]);
      return batches.mock.calls.flatMap(([writes]) => writes).length;
    };
    const few = await rowsOf(small);
    const fanOut = world.counts.get("fanOut") ?? 0;
    expect(await rowsOf(club)).toBeLessThanOrEqual(few);
    expect(world.counts.get("fanOut")).toBe(fanOut + MAX_GROUP_MEMBERS - 1);
    expect((await bob.page(club, 1)) as object).toMatchObject({ head: 2 });
  }, 60_000);
});

describe("somebody who comes back", () => {
  let others: UserId[];
  beforeEach(async () => {
    others = await many(MAX_NOTED_MEMBERS - 2);
    await alice.createGroup(club, [bob.userId, ...others]);
  });

  it.each([
    ["that has become a crowd meanwhile", true],
    ["that is none any more", false],
  ])("finds what changed in a group %s", async (_what, crowd) => {
    const carol = await world.person("carol");
    await alice.change(club, 1, { adds: [carol.userId] });
    if (!crowd) await alice.change(club, 2, { removes: [others[0] as UserId] });
    const { upTo } = await changes(bob, 0);
    expect((await changes(bob, upTo)).conversations).toEqual([]);
    await alice.append(club, 1, ["news"]);
    for (const client of [bob, carol]) {
      const { conversations, upTo: now } = await changes(client, upTo);
      expect(conversations).toMatchObject([{ conversationId: club, head: crowd ? 3 : 4 }]);
      expect((await changes(client, now)).conversations).toEqual([]);
      expect(client.all("entries").at(-1)?.stamp).toBe(now);
    }
  });

  it("finds that it was removed from a crowd, and nothing after that", async () => {
    const carol = await world.person("carol");
    await alice.change(club, 1, { adds: [carol.userId] });
    const { upTo } = await changes(bob, 0);
    const dave = await world.person("dave");
    await alice.change(club, 2, { removes: [bob.userId], adds: [dave.userId] });
    await alice.append(club, 1, ["not for bob"]);
    const { conversations, upTo: now } = await changes(bob, upTo);
    expect(conversations).toMatchObject([{ conversationId: club, head: 3, members: [] }]);
    await alice.append(club, 2, ["nor this"]);
    expect((await changes(bob, now)).conversations).toEqual([]);
  });
});
