/** Every bound of the wire protocol, with its unit and the reason for its size. */

/** Bytes of an entry's payload: a long message with room for its envelope; media travel as blobs. */
export const MAX_PAYLOAD_BYTES = 65_536;

/** Bytes of one frame in either direction: a full page of entries fits, a flood does not. */
export const MAX_FRAME_BYTES = 1_048_576;

/** Bytes of payload that a relay puts into one page of entries, which leaves room for their headers. */
export const MAX_PAGE_BYTES = 786_432;

/** Entries in one append, range or push: one page of history. */
export const MAX_ENTRIES = 200;

/** Members of a group. */
export const MAX_GROUP_MEMBERS = 1_000;

/** Members of a conversation on the wire, with room for what a later version may allow. */
export const MAX_MEMBERS = 1_024;

/** Invite links of one group that are valid at once. */
export const MAX_INVITES = 20;

/** Characters of the code in an invite link: 60 bits of Crockford's base 32, so that none is guessed. */
export const INVITE_CODE_LENGTH = 12;

/** Bytes of what an invite shows before one joins: the group's name and a small picture. */
export const MAX_PREVIEW_BYTES = 49_152;

/** Bytes of a group's picture, which its members' devices scale down before. */
export const MAX_PICTURE_BYTES = 32_768;

/** Bytes of a group's description in UTF-8. */
export const MAX_DESCRIPTION_BYTES = 2_048;

/** Bytes of a reaction in UTF-8: one emoji, which can be a family of many code points. */
export const MAX_EMOJI_BYTES = 64;

/** Seconds after which messages disappear that a conversation may be set to; 0 is never. */
export const TIMERS = [0, 86_400, 604_800, 7_776_000] as const;

/** Conversations in one page of changes after a reconnect; with two members each about 25 KB. */
export const MAX_CHANGES = 100;

/** Users whose presence one connection may watch: the people one talks to, not everybody. */
export const MAX_WATCHED_USERS = 256;

/** Devices of one user. */
export const MAX_DEVICES = 16;

/** Devices that are remembered to hold an entry before the log has it: more than a mesh has. */
export const MAX_HOLDERS = 64;

/** Results of one search. */
export const MAX_SEARCH_RESULTS = 50;

/** Bytes of a signalling message: an SDP offer has 2 to 4 KB. */
export const MAX_SIGNAL_BYTES = 16_384;

/** Bytes of a display or device name in UTF-8. */
export const MAX_NAME_BYTES = 256;

/** Bytes of a message's text in UTF-8: what is left of a payload after its envelope. */
export const MAX_TEXT_BYTES = 65_000;

/** STUN and TURN servers that a relay may hand out. */
export const MAX_ICE_SERVERS = 8;

/** Addresses of its nodes that a relay tells a client. */
export const MAX_RELAY_ADDRESSES = 8;

/** Bytes of an address. */
export const MAX_ADDRESS_BYTES = 512;

/**
 * Members of a group whose devices exchange messages directly; in a larger one all go by the relay.
 * Where the line is and why: docs/performance.md.
 */
export const MESH_MEMBERS = 16;

/** Members of a group up to which every member is told of every cursor that moves; of larger ones one asks. */
export const MAX_RECEIPT_MEMBERS = 32;

/**
 * Pieces of a log in one comparison: 65,536 entries by one frame of 8 KB, and no more than that for a
 * relay to read that has no digest of them yet.
 */
export const MAX_DIGEST_PIECES = 256;
