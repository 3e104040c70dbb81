import type { ConversationId } from "../../../shared/ids.js";
import type { KeyValue } from "../../../shared/key-value.js";
import type { Directory, InviteStore, RegistrationCodes, StoredInvite } from "../../core/ports.js";
import { KvDirectory } from "../directory.js";
import { KvInviteStore } from "../invites.js";
import { keys, rows } from "../rows.js";
import { Serial } from "../serial.js";
import { InboxShard } from "./inbox-shard.js";
import { LogShard, type Tell } from "./log-shard.js";

/** What may be asked of a folder, here or in the process that has it. Each may be asked twice. */
export const folderMethods = {
  logs: [
    "conversation",
    "lastN",
    "entries",
    "digest",
    "keepDigest",
    "byOrigin",
    "spans",
    "allSpans",
    "commit",
    "eraseExpired",
    "trim",
    "conversationsAfter",
    "checkWritable",
  ],
  invites: ["find", "of", "add", "remove"],
  inboxes: ["note", "groupsOf", "changes", "newestStamp"],
} as const;

export const directoryMethods = {
  directory: [
    "user",
    "device",
    "devices",
    "addDevice",
    "removeDevice",
    "search",
    "register",
    "usersAfter",
    "userCount",
    "blockedBy",
    "setBlocked",
    "lastSeen",
    "setLastSeen",
  ],
  codes: ["needed", "setNeeded", "find", "after", "add", "revoke", "used"],
  links: ["place", "placeOf"],
} as const;

/** The invites of one folder's groups. Which are dead is said by code: a function cannot travel. */
export interface FolderInvites extends Pick<InviteStore, "of" | "remove" | "find"> {
  add(
    invite: StoredInvite,
    max: number,
    dead: readonly string[],
  ): Promise<StoredInvite | "too_many_invites">;
}

export interface Folder {
  readonly logs: Pick<LogShard, (typeof folderMethods.logs)[number]>;
  readonly invites: FolderInvites;
  readonly inboxes: Pick<InboxShard, (typeof folderMethods.inboxes)[number]>;
}

/** Where the conversation of an invite link is found. */
export interface Links {
  place(code: string, id: ConversationId): Promise<void>;
  placeOf(code: string): Promise<ConversationId | null>;
}

export interface DirectoryFolder {
  readonly directory: Pick<Directory, (typeof directoryMethods.directory)[number]>;
  readonly codes: RegistrationCodes;
  readonly links: Links;
}

export async function openFolder(kv: KeyValue, tell: Tell): Promise<Folder & { logs: LogShard }> {
  const serial = new Serial();
  const invites = new KvInviteStore(kv, serial);
  return {
    logs: await LogShard.open(kv, serial, tell),
    invites: {
      find: (code) => invites.find(code),
      of: (id) => invites.of(id),
      add: (invite, max, dead) => invites.add(invite, max, ({ code }) => dead.includes(code)),
      remove: (id, code) => invites.remove(id, code),
    },
    inboxes: new InboxShard(kv),
  };
}

export function openDirectory(kv: KeyValue): DirectoryFolder {
  const directory = new KvDirectory(kv);
  return {
    directory,
    codes: directory.codes,
    links: {
      async place(code, id) {
        const value = rows.conversationId.encode(id);
        await kv.batch([{ type: "put", key: keys.inviteAt(code), value }]);
      },
      async placeOf(code) {
        const stored = await kv.get(keys.inviteAt(code));
        return stored ? rows.conversationId.decode(keys.inviteAt(code), stored) : null;
      },
    },
  };
}
