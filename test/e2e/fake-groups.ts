/** What people do with groups, for the host made up in the page. */
import type { FakeLog, FakeMessage } from "./fake-world.js";

export interface FakeGroupOptions {
  /** Other members of the group "Dovetail makers"; 0 for no group at all. */
  readonly groupMembers: number;
  /** What one is in it. */
  readonly groupRole: "admin" | "member" | "none";
  readonly groupRestricted: boolean;
}

/** What others do in the first group. */
export interface FakeGroups {
  groupSays(handle: string, text: string): void;
  groupNote(handle: string, notice: Record<string, unknown>): void;
  groupTyping(handle: string, active: boolean): void;
  /** Somebody removes the person in front of the page. */
  groupDismissed(): void;
}

/** Runs in the page after the fake host: everything it needs is inside. */
export function fakeGroups(options: FakeGroupOptions): void {
  type Loose = Record<string, unknown>;
  type Person = { userId: string; handle: string; displayName: string };
  type Member = Person & { admin: boolean; self: boolean };
  type Invite = Loose & { code: string; uses: number };
  interface Group {
    readonly log: FakeLog;
    members: Member[];
    invites: Invite[];
  }
  const world = window.fakeWorld;
  const { answers, own } = world;
  const self: Person = { userId: own.userId, handle: own.handle, displayName: own.displayName };
  const groups = new Map<string, Group>();
  const people = world.people as unknown as Person[];
  const fail = (code: string): never => {
    throw { code, message: code };
  };

  const find = (id: unknown): Group => groups.get(String(id)) ?? fail("not_found");
  const personOf = (handle: unknown): Person =>
    people.find((person) => person.handle === handle) ?? fail("not_found");
  const brief = ({ userId, handle, displayName }: Person) => ({ userId, handle, displayName });
  const refresh = ({ log, members }: Group) => {
    const others = members.filter((member) => !member.self).map(brief);
    const me = members.find((member) => member.self);
    Object.assign(log.settings, {
      members: others.slice(0, 8),
      memberCount: members.length,
      role: me ? (me.admin ? "admin" : "member") : "none",
    });
  };
  /** A line between the messages, and with it what has changed. */
  const note = (group: Group, notice: Loose, by: Person = self) => {
    refresh(group);
    const { log } = group;
    const mine = by.handle === own.handle;
    const from: FakeMessage = { ...log.make(log.length, mine, ""), notice, state: "delivered" };
    world.add(log, { ...from, from: by.handle, fromName: by.displayName });
  };
  const mayEdit = (group: Group) => {
    const me = group.members.find((member) => member.self) ?? fail("not_a_member");
    if (!me.admin && group.log.settings.restricted === true) fail("not_allowed");
  };
  const mayAll = (group: Group) => {
    if (!group.members.some((member) => member.self && member.admin)) fail("not_allowed");
  };
  const make = (profile: Loose, others: Person[], admin: boolean): Group => {
    const log = world.open("group", 0);
    log.settings = { title: profile.name, description: profile.description };
    log.settings.picture = profile.picture;
    const members = others.map((person, i) => ({
      ...brief(person),
      admin: !admin && i === 0,
      self: false,
    }));
    const group: Group = {
      log,
      members: [{ ...self, admin, self: true }, ...members],
      invites: [],
    };
    groups.set(log.id, group);
    refresh(group);
    return group;
  };
  const link = (code: string) =>
    `dovetail:join?relay=${encodeURIComponent(own.relay)}&code=${code}`;

  Object.assign(answers, {
    "groups.create": ({ handles, ...profile }: Loose) => {
      const group = make(profile, (handles as string[]).map(personOf), true);
      note(group, { type: "created" });
      return { conversationId: group.log.id };
    },
    "groups.members": ({ conversationId }: Loose) => find(conversationId).members,
    "groups.update": ({ conversationId, name, description, picture }: Loose) => {
      const group = find(conversationId);
      mayEdit(group);
      const { settings } = group.log;
      if (name !== undefined) settings.title = name;
      if (description !== undefined) settings.description = description;
      if (picture !== undefined) settings.picture = picture;
      const type = picture === undefined ? "described" : "pictured";
      note(group, name === undefined ? { type } : { type: "renamed", name });
      return {};
    },
    "groups.add": ({ conversationId, handles }: Loose) => {
      const group = find(conversationId);
      mayEdit(group);
      const added = (handles as string[]).map(personOf);
      group.members.push(...added.map((each) => ({ ...brief(each), admin: false, self: false })));
      note(group, { type: "added", people: added.map(brief) });
      return {};
    },
    "groups.remove": ({ conversationId, handle }: Loose) => {
      const group = find(conversationId);
      mayAll(group);
      group.members = group.members.filter((member) => member.handle !== handle);
      note(group, { type: "removed", people: [brief(personOf(handle))] });
      return {};
    },
    "groups.setAdmin": ({ conversationId, handle, admin }: Loose) => {
      const group = find(conversationId);
      mayAll(group);
      for (const member of group.members) if (member.handle === handle) member.admin = !!admin;
      const type = admin ? "promoted" : "demoted";
      note(group, { type, people: [brief(personOf(handle))] });
      return {};
    },
    "groups.restrict": ({ conversationId, restricted }: Loose) => {
      const group = find(conversationId);
      mayAll(group);
      group.log.settings.restricted = restricted;
      note(group, { type: "restricted", restricted });
      return {};
    },
    "groups.leave": ({ conversationId }: Loose) => {
      const group = find(conversationId);
      group.members = group.members.filter((member) => !member.self);
      note(group, { type: "left" });
      return {};
    },
    "groups.createInvite": ({ conversationId, expiresIn, maxUses }: Loose) => {
      const group = find(conversationId);
      mayEdit(group);
      const code = `JQ7K2M9XW${String(100 + group.invites.length)}`;
      const invite: Invite = {
        code,
        link: link(code),
        createdBy: self,
        expiresAt: expiresIn === null ? null : Date.now() + Number(expiresIn) * 1000,
        maxUses,
        uses: 0,
      };
      group.invites.push(invite);
      return invite;
    },
    "groups.invites": ({ conversationId }: Loose) => {
      const group = find(conversationId);
      mayEdit(group);
      return group.invites;
    },
    "groups.revokeInvite": ({ conversationId, code }: Loose) => {
      const group = find(conversationId);
      group.invites = group.invites.filter((invite) => invite.code !== code);
      return {};
    },
    "groups.invitation": ({ code }: Loose) => {
      const joined = [...groups.values()].find(({ invites }) =>
        invites.some((invite) => invite.code === code),
      );
      if (joined) {
        const { id, settings } = joined.log;
        const { title: name, picture, memberCount } = settings;
        return { conversationId: id, name, picture, memberCount, joined: true };
      }
      if (code !== "7KQ2M9XWTB4D") fail("link_invalid");
      const found = { name: "Bench planes", picture: "", memberCount: 3, joined: false };
      return { conversationId: "f".repeat(32), ...found };
    },
    "groups.join": ({ code }: Loose) => {
      if (code !== "7KQ2M9XWTB4D") fail("link_invalid");
      const profile = { name: "Bench planes", description: "", picture: "" };
      const group = make(profile, people.slice(1, 3), false);
      note(group, { type: "joined" });
      return { conversationId: group.log.id };
    },
  });

  const named = [...people];
  for (let i = 0; named.length < options.groupMembers; i++) {
    const userId = (5000 + i).toString(16).padStart(32, "0");
    named.push({ userId, handle: `member_${i + 1}`, displayName: `Member ${i + 1}` });
  }
  people.push(...named.slice(people.length));
  const seat = (role: string, others: Person[]): Group => {
    const profile = {
      name: "Dovetail makers",
      description: "Joints, jigs and what we learn on the way. Plans go to the shared folder.",
      picture: "",
    };
    return make(profile, others, role === "admin");
  };
  const talk = (group: Group) => {
    const { log } = group;
    const says = (by: number, text: string, ago: number) => {
      const author = group.members[by] ?? self;
      const base = log.make(log.length, by === 0, text);
      const sentAt = Date.now() - ago * 60_000;
      const { handle: from, displayName: fromName } = author;
      log.added.push({ ...base, from, fromName, sentAt, state: by === 0 ? "read" : "delivered" });
    };
    const tells = (by: number, notice: Loose, ago: number) => {
      says(by, "", ago);
      const told = log.added.at(-1);
      if (told) told.notice = notice;
    };
    tells(0, { type: "created" }, 300);
    tells(0, { type: "added", people: group.members.slice(1, 3).map(brief) }, 299);
    says(1, "Thank you for making this!", 120);
    says(1, "Shall we meet on Saturday?", 120);
    says(2, "Saturday works for me. I bring the saws.", 118);
    says(0, "Then I will heat the shop.", 117);
    tells(1, { type: "renamed", name: "Dovetail makers" }, 60);
    tells(2, { type: "timer", seconds: 604_800 }, 59);
    says(3, "See you all there", 30);
  };
  if (options.groupMembers > 0) {
    const group = seat(options.groupRole, named.slice(0, options.groupMembers));
    group.log.settings.restricted = options.groupRestricted;
    talk(group);
    if (options.groupRole === "none") {
      group.members = group.members.filter((member) => !member.self);
      refresh(group);
    }
  }

  const first = (): Group => [...groups.values()][0] ?? fail("not_found");
  const asGroup: FakeGroups = {
    groupSays: (handle, text) => {
      const group = first();
      const by = personOf(handle);
      const base = group.log.make(group.log.length, false, text);
      world.add(group.log, { ...base, from: by.handle, fromName: by.displayName });
    },
    groupNote: (handle, notice) => note(first(), notice, personOf(handle)),
    groupTyping: (handle, active) =>
      world.tell("typing.changed", { conversationId: first().log.id, handle, active }),
    groupDismissed: () => {
      const group = first();
      group.members = group.members.filter((member) => !member.self);
      note(group, { type: "removed", people: [self] }, people[0]);
    },
  };
  Object.assign(window.fake, asGroup);
}
