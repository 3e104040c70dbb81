/** What the methods of the client API do with groups. */
import type { Invite, Results, ValidParams } from "../../shared/client-api.js";
import { DovetailError } from "../../shared/errors.js";
import { type ConversationId, idFromBytes, type UserId } from "../../shared/ids.js";
import { INVITE_CODE_LENGTH } from "../../shared/limits.js";
import { checkChange, type GroupChange, NO_CHANGE } from "../../shared/membership.js";
import { pairingCodeFrom } from "../../shared/pairing.js";
import type { Invite as ToldInvite } from "../../shared/protocol.js";
import { type Body, decodePreview, encodeContent, encodePreview, type Profile } from "./content.js";
import type { Core } from "./core.js";
import type { Engine } from "./engine.js";
import type { Handlers } from "./handlers.js";
import { groupOf } from "./membership.js";
import { NO_PROFILE, profileOf } from "./newcomers.js";
import { personOf } from "./people.js";
import type { RelayLink } from "./relay-link.js";
import type { Conversation } from "./state.js";

type Methods = Extract<keyof Handlers, `groups.${string}`>;

/** How often a change is tried again that somebody else's came before. */
const MAX_REBASES = 8;
/** How long a change of members waits for own messages that are on their way. */
const SETTLE_MS = 10_000;

/** People looked up at once. */
const LOOKUPS = 16;

interface GroupParts {
  readonly engine: () => Engine;
  readonly online: () => Promise<void>;
  readonly userOf: (handle: string) => Promise<UserId>;
  readonly queue: (conversation: Conversation, body: Body) => Promise<unknown>;
}

export class GroupCalls {
  readonly #core: Core;
  readonly #relay: RelayLink;
  readonly #parts: GroupParts;

  constructor(core: Core, relay: RelayLink, parts: GroupParts) {
    this.#core = core;
    this.#relay = relay;
    this.#parts = parts;
  }

  handlers(): Pick<Handlers, Methods> {
    const nothing = {};
    const change = async (id: ConversationId, wanted: Partial<GroupChange>) => {
      await this.#change(this.#group(id), { ...NO_CHANGE, ...wanted });
      return nothing;
    };
    return {
      "groups.create": (params) => this.#create(params),
      "groups.members": async ({ conversationId }) => {
        const { state } = this.#core;
        return this.#group(conversationId).row.members.map(({ userId, admin }) => ({
          ...personOf(state, userId),
          admin,
          self: userId === state.self.userId,
        }));
      },
      "groups.update": async ({ conversationId, ...changes }) => {
        await this.#update(this.#group(conversationId), changes);
        return nothing;
      },
      "groups.add": async ({ conversationId, handles }) => {
        const { row } = this.#group(conversationId);
        const users = await this.#users(handles);
        const adds = users.filter((user) => !row.members.some(({ userId }) => userId === user));
        return adds.length > 0 ? change(conversationId, { adds }) : nothing;
      },
      "groups.remove": async ({ conversationId, handle }) =>
        change(conversationId, { removes: [this.#member(conversationId, handle)] }),
      "groups.setAdmin": async ({ conversationId, handle, admin }) => {
        const user = this.#member(conversationId, handle);
        return change(conversationId, admin ? { promotes: [user] } : { demotes: [user] });
      },
      "groups.restrict": ({ conversationId, restricted }) => change(conversationId, { restricted }),
      "groups.leave": ({ conversationId }) =>
        change(conversationId, { removes: [this.#core.state.self.userId] }),
      "groups.createInvite": (params) => this.#createInvite(params),
      "groups.invites": async ({ conversationId }) => {
        await this.#parts.online();
        const { invites } = await this.#relay.request("getInvites", { conversationId });
        return invites.map((invite) => this.#invite(invite));
      },
      "groups.revokeInvite": async ({ conversationId, code }) => {
        await this.#parts.online();
        await this.#relay.request("revokeInvite", { conversationId, code });
        return nothing;
      },
      "groups.invitation": ({ code }) => this.#invitation(code),
      "groups.join": ({ code }) => this.#join(code),
    };
  }

  /** @throws DovetailError `not_found`. */
  #group(id: ConversationId): Conversation {
    const conversation = this.#core.state.conversation(id);
    if (conversation.row.kind !== "group") {
      throw new DovetailError("not_found", "That conversation is not a group.");
    }
    return conversation;
  }

  /** @throws DovetailError `not_found`. */
  #member(id: ConversationId, handle: string): UserId {
    const { state } = this.#core;
    const member = this.#group(id).row.members.find(
      ({ userId }) => personOf(state, userId).handle === handle,
    );
    if (!member) throw new DovetailError("not_found", `@${handle} is not a member of the group.`);
    return member.userId;
  }

  /** A few at a time: the relay answers so many questions a second. */
  async #users(handles: readonly string[]): Promise<UserId[]> {
    const users = new Set<UserId>();
    for (let from = 0; from < handles.length; from += LOOKUPS) {
      const some = handles.slice(from, from + LOOKUPS);
      for (const user of await Promise.all(some.map((handle) => this.#userOf(handle)))) {
        users.add(user);
      }
    }
    return [...users];
  }

  async #userOf(handle: string): Promise<UserId> {
    for (;;) {
      try {
        return await this.#parts.userOf(handle);
      } catch (thrown) {
        const { code, retryAfterMs = 1_000 } = DovetailError.from(thrown);
        if (code !== "rate_limited") throw thrown;
        await new Promise<void>((resolve) => {
          this.#core.ports.clock.after(retryAfterMs, resolve);
        });
      }
    }
  }

  async #create(params: ValidParams<"groups.create">): Promise<{ conversationId: ConversationId }> {
    const { name, description, picture, handles } = params;
    await this.#parts.online();
    const { state, ports } = this.#core;
    const users = await this.#users(handles);
    const memberIds = users.filter((user) => user !== state.self.userId);
    const conversationId = idFromBytes<ConversationId>(ports.random.bytes(16));
    const payload = this.#payload({ name, description, picture }, 0);
    const answer = await this.#relay.request("createGroup", { conversationId, memberIds, payload });
    await this.#parts.engine().meet(answer.conversation);
    return { conversationId };
  }

  /** What goes with a change of members: those who come cannot know how the group is called. */
  #payload(profile: Profile | null, timer: number): Uint8Array {
    const sentAt = this.#core.ports.clock.now();
    const clock = this.#core.hlc.next();
    return encodeContent({ clock, sentAt, body: { type: "membership", profile, timer } });
  }

  /** Builds on the epoch that is known here; whoever is too late looks again and tries again. */
  async #change(conversation: Conversation, change: GroupChange): Promise<void> {
    const { conversationId } = conversation.row;
    const { state } = this.#core;
    await this.#parts.online();
    // What was written before a change of members is in the log before it.
    if (!(await this.#parts.engine().settled(conversation, SETTLE_MS))) {
      throw new DovetailError("timeout", "Messages of this group are still being sent.");
    }
    for (let attempt = 1; ; attempt++) {
      checkChange(groupOf(conversation.row), state.self.userId, change);
      // What those who come are told of the group has to be what the log says of it.
      const news = change.adds.length > 0;
      if (news) await this.#parts.engine().level(conversationId);
      const profile = conversation.profile && profileOf(conversation);
      const seconds = conversation.timer?.seconds ?? 0;
      const payload = this.#payload(news ? profile : null, seconds);
      const { epoch } = conversation.row;
      try {
        await this.#relay.request("changeMembership", { conversationId, epoch, change, payload });
        await this.#parts.engine().level(conversationId);
        return;
      } catch (thrown) {
        const error = DovetailError.from(thrown);
        if (error.code !== "stale_epoch" || attempt === MAX_REBASES) throw error;
        await this.#parts.engine().level(conversationId);
      }
    }
  }

  async #update(
    conversation: Conversation,
    changes: {
      name?: string | undefined;
      description?: string | undefined;
      picture?: string | undefined;
    },
  ): Promise<void> {
    const own = this.#core.state.own(conversation.row);
    if (!own) throw new DovetailError("not_a_member");
    if (conversation.row.restricted && !own.admin) throw new DovetailError("not_allowed");
    const given = Object.entries(changes).filter(([, value]) => value !== undefined);
    const before = profileOf(conversation);
    const profile = { ...before, ...Object.fromEntries(given) };
    for (const changed of ["name", "description", "picture"] as const) {
      if (changes[changed] === undefined || changes[changed] === before[changed]) continue;
      await this.#parts.queue(conversation, { type: "profile", profile, changed });
    }
  }

  async #createInvite({
    conversationId,
    expiresIn,
    maxUses,
  }: ValidParams<"groups.createInvite">): Promise<Invite> {
    const conversation = this.#group(conversationId);
    await this.#parts.online();
    const { clock, random } = this.#core.ports;
    const { state } = this.#core;
    const code = pairingCodeFrom(random.bytes(INVITE_CODE_LENGTH));
    const createdAt = clock.now() + state.skew;
    const expiresAt = expiresIn === null ? null : createdAt + expiresIn * 1000;
    const timer = conversation.timer?.seconds ?? 0;
    const preview = encodePreview({ profile: profileOf(conversation), timer });
    const invite = { conversationId, code, expiresAt, maxUses, preview };
    await this.#relay.request("createInvite", invite);
    const createdBy = state.self.userId;
    return this.#invite({ code, createdBy, createdAt, expiresAt, maxUses, uses: 0 });
  }

  #invite({ code, createdBy, expiresAt, maxUses, uses }: ToldInvite): Invite {
    const { state, options } = this.#core;
    const link = `dovetail:join?relay=${encodeURIComponent(options.relayUrl)}&code=${code}`;
    return {
      ...{ code, link, maxUses, uses },
      createdBy: personOf(state, createdBy),
      expiresAt: expiresAt === null ? null : expiresAt - state.skew,
    };
  }

  async #invitation(code: string): Promise<Results["groups.invitation"]> {
    await this.#parts.online();
    const told = await this.#relay.request("getInvitation", { code });
    const { name, picture } = readPreview(told.preview).profile;
    const { conversationId, memberCount, joined } = told;
    return { conversationId, name, picture, memberCount, joined };
  }

  async #join(code: string): Promise<{ conversationId: ConversationId }> {
    await this.#parts.online();
    const { preview } = await this.#relay.request("getInvitation", { code });
    const { profile, timer } = readPreview(preview);
    const payload = this.#payload(profile, timer);
    const { conversation } = await this.#relay.request("join", { code, payload });
    await this.#parts.engine().meet(conversation);
    return { conversationId: conversation.conversationId };
  }
}

/** An invite of a client that is newer than this one still leads to its group. */
function readPreview(preview: Uint8Array): { profile: Profile; timer: number } {
  try {
    return decodePreview(preview);
  } catch {
    return { profile: NO_PROFILE, timer: 0 };
  }
}
