/** Which of the embedded store's folders holds what. */
import type { ConversationId, UserId } from "../../../shared/ids.js";
import { shardOf } from "../../core/cluster/ring.js";

/** Never to be changed for data that are there. As many processes at the most can share the work. */
export const FOLDERS = 16;

/** 0 to 15: the folder of a conversation's log, and of a user's inbox. */
export const folderOf = (id: ConversationId | UserId | string): number => shardOf(id) % FOLDERS;
