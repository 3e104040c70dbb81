/** Every bound inside the relay, with its unit and the reason for its size. */
import { MAX_FRAME_BYTES, MAX_MEMBERS } from "../../shared/limits.js";

/** Frames of one connection that wait for their turn; at the bound its socket is not read further. */
export const MAX_WAITING_FRAMES = 256;

/** Bytes of the frames of one connection that wait for their turn: some of the largest. */
export const MAX_WAITING_BYTES = 4 * 1024 * 1024;

/**
 * Frames of one connection that may wait at the worst: one read of 64 KiB from a socket can hold this
 * many of the smallest frames after the reading was stopped.
 */
export const MAX_FLOODED_FRAMES = 16_384;

/** Requests of one connection that run at once: enough to fill a group commit, too few to hog it. */
export const MAX_RUNNING_REQUESTS = 64;

/** Bytes not yet taken by a client above which the relay reads no further requests of it. */
export const SOFT_BUFFER_BYTES = 4 * 1024 * 1024;

/** Bytes not yet taken by a client above which it is dropped; it resumes from its stamp. */
export const HARD_BUFFER_BYTES = 16 * 1024 * 1024;

/** Milliseconds between two looks at whether a held-back client has caught up. */
export const BUFFER_POLL_MS = 50;

/** Writes that wait for a group commit; beyond, requests are refused as `overloaded`. */
export const MAX_QUEUED_WRITES = 16_384;

/** Bytes of what waits for a group commit. */
export const MAX_QUEUED_BYTES = 64 * 1024 * 1024;

/**
 * Bytes after which a group commit takes no more: LevelDB's own buffer has 4 MiB, and Cassandra refuses what
 * is written to one log at once beyond 16 MiB.
 */
export const MAX_COMMIT_BYTES = 4 * 1024 * 1024;

/**
 * Bytes that an entry counts for besides its payload, for its keys and its origin. So a commit has 8,192
 * entries at the most: a batch of Cassandra's driver has 65,535 statements, and an entry takes two.
 */
export const ENTRY_BYTES = 512;

/** Writes in one group commit. */
export const MAX_COMMIT_WRITES = 1_024;

/** How often a write is planned anew because somebody else appended first. */
export const MAX_ATTEMPTS = 8;

/** Conversations kept in memory, with their last entries. */
export const MAX_CACHED_CONVERSATIONS = 4_096;

/** Users of one folder whose newest stamp is kept in memory: some hundred bytes each. */
export const MAX_CACHED_INBOXES = 16_384;

/** Entries kept in memory per conversation: what a client asks for when it opens one. */
export const MAX_RECENT_ENTRIES = 30;

/** Bytes of payload kept in memory per conversation, should its entries be large. */
export const MAX_RECENT_BYTES = 131_072;

/** Users, and devices, kept in memory; about 300 bytes each. */
export const MAX_CACHED_PEOPLE = 20_000;

/** Users and devices of whom one write says when they were last seen. */
export const MAX_SEEN_TOGETHER = 256;

/** Users and devices of whom it is kept when they were last seen while the store takes nothing. */
export const MAX_UNWRITTEN_SEEN = 200_000;

/**
 * Milliseconds for which one of several nodes believes what it remembers of users and devices: others
 * that write the store may have no way to tell it what they changed.
 */
export const REMEMBERED_MS = 60_000;

/** Rows of entries read from the store at a time: 2 MiB at the most. */
export const ENTRIES_PER_READ = 32;

/** Members in one page of changes: at the most 355 bytes each, so that the page fits a frame. */
export const MAX_PAGE_MEMBERS = 2_000;

/** Token buckets kept, of each kind: those of whoever came last; about 200 bytes each. */
export const MAX_BUCKETS = 50_000;

/** Milliseconds that a client has from connecting to proving who it is. */
export const HANDSHAKE_MS = 10_000;

/**
 * Commits that one of several nodes has under way at once, each of other conversations: one takes as long
 * as the slowest of the places that it writes to. Stamps are no order for what such nodes push.
 */
export const MAX_COMMITS = 4;

/** Milliseconds between two tries whether a store that failed can be written again. */
export const RECOVERY_MS = 1_000;

/** Milliseconds for which a new device may ask at an open place. */
export const PAIRING_MS = 5 * 60_000;

/** Times that one user may have been a member of a group; beyond, it no longer sees the oldest time. */
export const MAX_SPANS = 256;

/**
 * Members of a group up to which each finds a change in an inbox of its own; beyond, all find it by the
 * group itself, which costs a write for all of them and each of them a read when it reconnects. To lower
 * it, the groups in between have to be entered in their members' lists of crowds first.
 */
export const MAX_NOTED_MEMBERS = 32;

/** Devices of one user of which a cursor remembers how far they are: more than an account has. */
export const MAX_CURSOR_DEVICES = 32;

/** People whom one user may block. */
export const MAX_BLOCKED = 4_096;

/** Milliseconds between two looks at what has to be deleted. */
export const SWEEP_MS = 10_000;

/** Milliseconds until the next look where one left more to delete. */
export const SWEEP_AGAIN_MS = 100;

/** Entries whose payload is deleted in one look. */
export const SWEEP_ENTRIES = 1_000;

/** Logs that are looked at for entries that need not be kept any longer, in one look. */
export const SWEEP_LOGS = 500;

/** Entries of one log that are forgotten in one look. */
export const TRIM_ENTRIES = 500;

/** Users in one message of a fan-out: all who were members of a group and all who are. */
export const MAX_AUDIENCE = 2 * MAX_MEMBERS;

/** Requests of one node to others that have no answer yet; beyond, clients are told `overloaded`. */
export const MAX_ASKED = 65_536;

/** Milliseconds that another node has to answer: longer than a group commit on a busy disk. */
export const ANSWER_MS = 10_000;

/** Milliseconds until a node is asked again that gave no answer, and what a client is told to wait. */
export const ASK_AGAIN_MS = 1_000;

/** Milliseconds between two looks into the inbox of a connected user, for what the bus has lost. */
export const LOOK_MS = 30_000;

/** Milliseconds for which looks wait for others, to be one question together. */
export const LOOK_TOGETHER_MS = 100;

/** Inboxes in one such question. */
export const MAX_LOOKED = 512;

/** Milliseconds from one heartbeat of a node to its next. */
export const BEAT_MS = 1_000;

/** Milliseconds until a heartbeat that others wait for: what else they wait for by then goes with it. */
export const BEAT_SOON_MS = 50;

/** Milliseconds after which a node that is not heard is gone: three of its heartbeats are missing. */
export const GONE_MS = 3_500;

/** Nodes that a heartbeat names. */
export const MAX_NODES = 4_096;

/** Bytes of what one node says to another at a time: the largest frame, and what stands around it. */
export const MAX_NODE_MESSAGE_BYTES = MAX_FRAME_BYTES + 65_472;

/** Milliseconds between two probes of how far what goes to another node lags. */
export const PROBE_MS = 1_000;

/** Probes of one node without an answer; what lags behind by more is told as lagging by so many. */
export const MAX_PROBES = 120;

/** Milliseconds between two times that a node tells the others how it is. */
export const SUMMARY_MS = 2_000;

/** Milliseconds over which it is counted what a shard has to do. */
export const HEAT_MS = 60_000;

/** Shards of a node that are told apart, those with the most to do. */
export const MAX_HOT_SHARDS = 10;

/** Milliseconds for which a node that is gone is still spoken of. */
export const REMEMBER_GONE_MS = 10 * 60_000;

/** Nodes that are gone and still spoken of; of more, the last. */
export const MAX_GONE_NODES = 64;

/** Bytes of the name by which an operator knows a node. */
export const MAX_LABEL_BYTES = 300;

/** Clients that are told to come back, in a millisecond: a handshake costs a signature and two reads. */
export const RETURNS_PER_MS = 1;

/** Milliseconds after which the last of many clients is told to come back. */
export const MAX_RETURN_MS = 30_000;

/** Milliseconds between two groups of clients that are sent away while a node drains. */
export const SPREAD_STEP_MS = 50;

/**
 * Milliseconds that a removal waits for nodes to say that they ended the device: longer than it takes to
 * find out that one is gone, and less than whoever asked for it waits for an answer.
 */
export const REMOVAL_MS = 6_000;

/** Milliseconds after which a connected device is looked up again: a removal may not have been heard of. */
export const CERTAIN_MS = 300_000;

/** Milliseconds within which all have looked after a node has come or gone: spread, not all at once. */
export const LOOK_SOON_MS = 2_000;

/** Where there are many, those who look in a millisecond: a fraction of what a node can answer. */
export const LOOKS_PER_MS = 1;

/**
 * Milliseconds after which a client is told anew which servers there are: a quarter of the time for which
 * credentials for TURN are good.
 */
export const SERVERS_MS = 12 * 3_600_000;

/** Milliseconds after which somebody may write again where nobody takes what they wrote. */
export const UNDELIVERED_RETRY_MS = 10 * 60_000;
