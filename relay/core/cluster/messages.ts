/** What relay nodes say to each other. A node is one of the operator's own, and still nothing is believed unread. */
import {
  bool,
  bytes,
  deviceId,
  type Field,
  fixed,
  frameFamily,
  list,
  oneOf,
  optional,
  struct,
  text,
  uint,
  userId,
} from "../../../shared/codec.js";
import { ID_BYTES } from "../../../shared/ids.js";
import {
  MAX_ADDRESS_BYTES,
  MAX_FRAME_BYTES,
  MAX_HOLDERS,
  MAX_NAME_BYTES,
} from "../../../shared/limits.js";
import { HASH_BYTES, PUBLIC_KEY_BYTES } from "../../../shared/protocol.js";
import { MAX_AUDIENCE, MAX_HOT_SHARDS, MAX_LABEL_BYTES, MAX_LOOKED } from "../bounds.js";
import { type NodeId, SHARDS } from "./ring.js";

/**
 * Nodes of one number understand each other, and hear no others. It is raised with every change of what
 * is below that an older node cannot read, of the ring, and of the frames of clients that nodes pass on.
 */
export const NODE_PROTOCOL = 3;

const connection = uint();
const frame = bytes(MAX_FRAME_BYTES);
const who = { connection, userId, deviceId };
const nodeId = text(64) as Field<NodeId>;
const users = list(userId, MAX_AUDIENCE);

export const nodeMessages = frameFamily({
  /** A client's frame, for the owner of what it is about. `lasting`: the connection is known from then on. Answer: `reply`. */
  request: [1, { id: uint(), ...who, lasting: bool, frame }],
  /** With the frame for the client, where there is one. */
  reply: [2, { id: uint(), frame: optional(frame) }],
  /** The user's shard learns of a connection. Answer: `reply`. */
  arrived: [3, { id: uint(), ...who }],
  /** The connection has ended. */
  left: [4, { connection }],
  /** The connection is another node's affair from now on. */
  moved: [5, { connection }],
  /** For one of the receiver's own connections. */
  deliver: [6, { connection, frame }],
  /** One of the receiver's own connections has to end. */
  end: [7, { connection, reason: oneOf("replaced", "removed") }],
  /** For the devices of users whose shard is the receiver's. */
  push: [
    8,
    {
      users,
      frame,
      except: optional(struct({ node: text(64), connection })),
      instead: optional(struct({ devices: list(deviceId, MAX_HOLDERS + 1), frame })),
    },
  ],
  /** Whom these users have blocked, or in which groups they are, has changed. */
  circles: [9, { users }],
  /** Who of these users sees whom has changed. */
  reconsider: [10, { users }],
  /** The device was removed: it is to have no connection any more. Answer: `reply`, when it has none. */
  deviceRemoved: [11, { id: uint(), deviceId }],
  /** A new device asks at a pairing place. Answer: `reply`, once it is let in. */
  apply: [
    12,
    {
      id: uint(),
      place: fixed(ID_BYTES),
      publicKey: fixed(PUBLIC_KEY_BYTES),
      deviceName: text(MAX_NAME_BYTES),
      proof: fixed(HASH_BYTES),
    },
  ],
  /** Who asked with that id has gone. */
  withdraw: [13, { id: uint() }],
  /** Answered at once, by `probed`: that takes as long as what was sent before is behind. */
  probe: [14, { id: uint() }],
  probed: [15, { id: uint() }],
  /** How the sender is. */
  summary: [
    16,
    {
      label: text(MAX_LABEL_BYTES),
      address: optional(text(MAX_ADDRESS_BYTES)),
      startedAt: uint(),
      draining: bool,
      connections: uint(),
      lag: optional(struct({ node: nodeId, ms: uint() })),
      backlogEntries: uint(),
      backlogBytes: uint(),
      bufferedBytes: uint(),
      hot: list(
        struct({ shard: uint(SHARDS - 1), requests: uint(), appends: uint() }),
        MAX_HOT_SHARDS,
      ),
    },
  ],
  /** The device opens a conversation: its user's shard counts. Answer: `reply`, with an error frame where it may not. */
  opening: [17, { id: uint(), deviceId }],
  /** In which of these inboxes, of users whose shard is the receiver's, is something new? Answer: `reply`, with their places. */
  look: [18, { id: uint(), inboxes: list(struct({ userId, after: uint() }), MAX_LOOKED) }],
});

export type NodeMessage = ReturnType<typeof nodeMessages.decode>;
