import type { AdminResult } from "../../../relay/admin/contract.js";

/** What a relay may say of itself. */
export const status: AdminResult<"status"> = {
  relay: "relay-test",
  ready: true,
  users: 2,
  nodes: [
    {
      node: "",
      here: true,
      shards: 16_384,
      goneAt: null,
      summary: {
        label: "north/1",
        address: "wss://north.example.org",
        startedAt: 1_700_000_000_000,
        draining: false,
        connections: 7,
        lag: null,
        backlogEntries: 0,
        backlogBytes: 0,
        bufferedBytes: 0,
        hot: [{ shard: 3, requests: 60, appends: 30 }],
      },
    },
  ],
};
