import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type NodeId, Ring, SHARDS, shardOf } from "../../../relay/core/cluster/ring.js";

const nodeId = fc
  .uint8Array({ minLength: 16, maxLength: 16 })
  .map((bytes) => Buffer.from(bytes).toString("hex") as NodeId);
const nodes = (min: number, max: number) =>
  fc.uniqueArray(nodeId, { minLength: min, maxLength: max });
const ownersIn = (ring: Ring): NodeId[] =>
  Array.from({ length: SHARDS }, (_, shard) => ring.ownerOfShard(shard));

describe("the ring", () => {
  it("is the same in whatever order the nodes are known, and every owner is one of them", () => {
    fc.assert(
      fc.property(nodes(1, 8), (ids) => {
        const owners = ownersIn(new Ring(ids));
        expect(ownersIn(new Ring([...ids].reverse()))).toEqual(owners);
        expect(owners.every((owner) => ids.includes(owner))).toBe(true);
      }),
      { numRuns: 20 },
    );
  });

  it("moves to a node that comes what is its own from then on, and nothing between the others", () => {
    fc.assert(
      fc.property(nodes(2, 8), ([comes, ...ids]) => {
        const before = ownersIn(new Ring(ids));
        const after = ownersIn(new Ring([...ids, comes as NodeId]));
        const moved = after.filter((owner, shard) => owner !== before[shard]);
        expect(moved.every((owner) => owner === comes)).toBe(true);
        // A fair share would be one in so many nodes: twice that is moved at the most.
        expect(moved.length).toBeGreaterThan(0);
        expect(moved.length).toBeLessThan((2 * SHARDS) / (ids.length + 1));
      }),
      { numRuns: 40 },
    );
  });

  it("gives each node between half and twice a fair share", () => {
    fc.assert(
      fc.property(nodes(2, 8), (ids) => {
        const owners = ownersIn(new Ring(ids));
        for (const id of ids) {
          const share = owners.filter((owner) => owner === id).length;
          expect(share).toBeGreaterThan(SHARDS / ids.length / 2);
          expect(share).toBeLessThan((SHARDS / ids.length) * 2);
        }
      }),
      { numRuns: 40 },
    );
  });

  it("puts an id where its shard is", () => {
    fc.assert(
      fc.property(nodes(1, 8), nodeId, (ids, id) => {
        const ring = new Ring(ids);
        expect(shardOf(id)).toBeLessThan(SHARDS);
        expect(ring.owner(id)).toBe(ring.ownerOfShard(shardOf(id)));
      }),
      { numRuns: 20 },
    );
  });
});
