/**
 * The renderer's built files under the real Content-Security-Policy, on a host made up in the page:
 * the preload's contract with generated people and messages. It proves the renderer and nothing of
 * Electron, the core or the relay.
 */
import { readFile } from "node:fs/promises";
import { extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import type { Page } from "@playwright/test";
import { contentPolicy } from "../../electron/security/content-policy.js";
import type { Account, ConnectionState, Device, Settings } from "../../shared/client-api.js";
import { type FakeGroupOptions, type FakeGroups, fakeGroups } from "./fake-groups.js";
import { type FakeDoings, fakeMessages } from "./fake-messages.js";

const DIST = fileURLToPath(new URL("../../dist/renderer/", import.meta.url));
export const ORIGIN = "http://127.0.0.1:4999";
const POLICY = contentPolicy(["ws://127.0.0.1:*"]);
const TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript",
  ".css": "text/css",
  ".svg": "image/svg+xml",
};

export interface FakeOptions extends FakeGroupOptions {
  /** Without one the page begins with sign-up. */
  readonly registered: boolean;
  /** Messages in the conversation with alice. */
  readonly messages: number;
  /** Of those, how many of alice's are unread. */
  readonly unread: number;
  /** People with a short conversation besides alice. */
  readonly others: number;
  readonly settings: Partial<Settings>;
  readonly connection: Partial<ConnectionState>;
  /** Handles that account.register refuses, and the invite code that it asks for. */
  readonly taken: readonly string[];
  readonly invite: string | null;
  /** The one code that account.link takes. */
  readonly linkCode: string;
  /** Milliseconds until a shown code expires. */
  readonly codeLife: number;
  /** Milliseconds until a call answers. */
  readonly latency: number;
}

const defaults: FakeOptions = {
  registered: true,
  messages: 40,
  unread: 0,
  others: 6,
  settings: {},
  connection: {},
  taken: [],
  invite: null,
  linkCode: "7KQ2M9XWTB4D",
  codeLife: 300_000,
  latency: 5,
  groupMembers: 0,
  groupRole: "admin",
  groupRestricted: false,
};

/** What a spec may do to the fake from outside: `page.evaluate(() => window.fake…)`. */
export interface Fake extends FakeDoings, FakeGroups {
  /** alice writes. */
  receive(text: string, path?: "direct" | "relay"): void;
  /** The state of every own message in the conversation with alice. */
  mark(state: "sent" | "delivered" | "read"): void;
  typing(active: boolean): void;
  connection(change: Partial<ConnectionState>): void;
  /** A new device uses the code that is shown. */
  linkDevice(name: string): void;
  failNext(method: string, code: string): void;
  /** Every call so far as `[method, params]`. */
  readonly calls: [string, unknown][];
}

declare global {
  interface Window {
    readonly fake: Fake;
  }
}

/** Runs in the page before its scripts: everything it needs is inside. */
function fakeHost(options: FakeOptions): void {
  type Loose = Record<string, unknown>;
  type Told = { messageId: string; seq: number | null; mine: boolean; state: string } & Loose;
  const hex = (n: number) => n.toString(16).padStart(32, "0");
  const own: Account = {
    userId: hex(1) as Account["userId"],
    deviceId: hex(2) as Account["deviceId"],
    handle: "bob",
    displayName: "Bob Builder",
    relay: "ws://127.0.0.1:8787",
  };
  const people = [
    ["alice", "Alice Liddell"],
    ["carol", "Carol Shaw"],
    ["dave_r", "Dave Rossi"],
    ["erin", "Erin Okafor"],
    ["frank", "Frank Lindqvist"],
    ["grace", "Grace Hopper-Nguyen"],
    ["heidi", "Heidi"],
    ["alina", "Alina Petrova"],
    ["alistair", "Alistair Finch"],
  ].map(([handle, displayName], i) => ({ userId: hex(100 + i), handle, displayName }));
  const sentences = [
    "The maple boards came in, want to look at them tomorrow?",
    "Yes! Any time after ten.",
    "I measured the drawer again. It is 412 wide, not 410.",
    "ok",
    "Then the pins have to move a little. I will redraw it tonight and send you the plan, so you can check the angles before anyone picks up a saw.",
    "Here is how others lay them out: https://example.org/joints/dovetail (second picture)",
    "1:8 for hardwood\n1:6 for softwood",
    "Perfect, thank you",
    "Do we glue it before the finish or after?",
    "Before. And clamp it over night.",
  ];
  let account = options.registered ? own : null;
  let settings: Settings = {
    directEnabled: true,
    notifications: true,
    theme: "system",
    ...options.settings,
  };
  let connection: ConnectionState = {
    relay: options.registered ? "connected" : "offline",
    relayUrl: own.relay,
    retryAt: null,
    error: null,
    direct: [{ handle: "alice", deviceId: hex(9) as Account["deviceId"], state: "open" }],
    ...options.connection,
  };
  const device = (n: number, name: string, change: Partial<Device> = {}): Device => ({
    deviceId: hex(n) as Device["deviceId"],
    name,
    current: false,
    online: false,
    lastSeen: null,
    addedAt: Date.now() - 90 * 86_400_000,
    ...change,
  });
  let devices = [
    device(3, "Workshop laptop", { online: true, addedAt: Date.now() - 3 * 86_400_000 }),
    device(2, "Desk computer", { current: true, online: true }),
    device(4, "Old laptop", { lastSeen: Date.now() - 40 * 60_000, addedAt: Date.now() - 1_000 }),
  ];
  const setDevices = (next: Device[]) => {
    devices = next;
    tell("devices.changed", { devices });
  };
  const listeners = new Set<(event: unknown) => void>();
  const calls: [string, unknown][] = [];
  const failures = new Map<string, string>();
  const started = Date.now();

  /** One conversation: generated messages, then those added since. Seq is the index plus one. */
  class Log {
    readonly id: string;
    readonly added: Told[] = [];
    readonly changed = new Map<number, Told>();
    /** Indexes of messages that are not shown any more. */
    readonly removed = new Set<number>();
    /** What the summary says in place of the ordinary. */
    settings: Loose = {};
    draft = "";
    unread = 0;
    constructor(
      readonly kind: "direct" | "notes" | "group",
      readonly peer: (typeof people)[number] | null,
      readonly generated: number,
      index: number,
      readonly age: number,
    ) {
      this.id = hex(1000 + index);
    }
    get length(): number {
      return this.generated + this.added.length;
    }
    at(index: number): Told {
      const known = this.changed.get(index) ?? this.added[index - this.generated];
      if (known) return known;
      const mine = this.kind === "notes" || Math.floor(index / 3) % 2 === 1;
      const back = this.generated - 1 - index;
      return {
        ...this.make(index, mine, `${sentences[index % sentences.length]}`),
        text:
          this.generated > 1000
            ? `#${index + 1} ${sentences[(index * 7) % 10]}`
            : sentences[index % 10],
        sentAt: started - this.age - Math.floor(back / 3) * 1_700_000 - (back % 3) * 4_000,
        path: index % 5 < 3 ? "direct" : "relay",
        state: mine ? (back < 2 ? "delivered" : "read") : "read",
      };
    }
    make(index: number, mine: boolean, text: string): Told {
      const from = mine ? own.handle : (this.peer?.handle ?? own.handle);
      return {
        messageId: `${this.id}.${hex(mine ? 2 : 3)}.${index + 1}`,
        conversationId: this.id,
        seq: index + 1,
        clock: String(index + 1).padStart(16, "0"),
        from,
        fromName: mine ? own.displayName : (this.peer?.displayName ?? own.displayName),
        mine,
        text,
        notice: null,
        replyTo: null,
        forwarded: false,
        edited: false,
        deleted: false,
        mentions: [],
        reactions: [],
        starred: false,
        pinned: false,
        expiresAt: null,
        sentAt: Date.now(),
        state: mine ? "queued" : "delivered",
        path: "relay",
      };
    }
    summary(): Loose {
      return {
        conversationId: this.id,
        kind: this.kind,
        title: this.peer?.displayName ?? own.displayName,
        members: this.peer ? [this.peer] : [],
        memberCount: this.peer ? 2 : 1,
        role: "member",
        restricted: false,
        description: "",
        picture: "",
        lastMessage: this.last(),
        timer: 0,
        pinned: false,
        archived: false,
        mutedUntil: null,
        request: false,
        blocked: false,
        mentioned: false,
        unread: this.unread,
        behind: 0,
        draft: this.draft,
        ...this.settings,
      };
    }
    last(): Told | null {
      let index = this.length - 1;
      while (index >= 0 && this.removed.has(index)) index--;
      return index < 0 ? null : this.at(index);
    }
  }

  const HOUR = 3_600_000;
  const logs = people
    .slice(0, 1 + options.others)
    .map((peer, i) => new Log("direct", peer, i === 0 ? options.messages : 5 + i, i, i * 9 * HOUR));
  const alice = logs[0];
  if (alice) alice.unread = options.unread;
  if (logs[2]) logs[2].unread = 3;
  if (logs[3]) logs[3].draft = "About Saturday: I could";
  const find = (id: unknown): Log => {
    const log = logs.find((other) => other.id === id);
    if (!log) throw { code: "not_found", message: "There is no such thing." };
    return log;
  };
  const tell = (event: string, data: unknown) => {
    for (const listener of listeners) listener({ event, data });
  };
  const indexOf = (id: unknown) => Number(String(id).split(".")[2]) - 1;
  const findMessage = (id: unknown): [Log, number] => {
    const log = find(String(id).split(".")[0]);
    return [log, indexOf(id)];
  };
  const quote = (id: string) => {
    const [log, index] = findMessage(id);
    const { messageId, from, fromName, text } = log.at(index);
    return { messageId, from, fromName, excerpt: String(text).slice(0, 120) };
  };
  const mentionsIn = (text: string) =>
    [...people, own]
      .filter(({ handle }) => new RegExp(`@${handle}(?![a-z0-9_])`).test(text))
      .map(({ userId, handle, displayName }) => ({ userId, handle, displayName }));
  const later = (action: () => void, ms: number) => setTimeout(action, ms);
  const update = (log: Log, index: number, change: Partial<Told>) => {
    const message = { ...log.at(index), ...change } as Told;
    if (index >= log.generated) log.added[index - log.generated] = message;
    else log.changed.set(index, message);
    tell("message.updated", message);
    tell("conversation.changed", log.summary());
  };
  const add = (log: Log, message: Told) => {
    log.added.push(message);
    if (!message.mine) log.unread++;
    tell("message.added", message);
    tell("conversation.changed", log.summary());
  };

  const answers: Record<string, (params: never) => unknown> = {
    "account.get": () => account,
    "account.register": ({ handle, displayName, invite }: Record<string, string>) => {
      if (options.taken.includes(handle ?? "")) throw { code: "handle_taken", message: "taken" };
      if (options.invite !== null && invite !== options.invite) {
        throw { code: invite ? "invite_invalid" : "invite_required", message: "invite" };
      }
      account = { ...own, handle: handle ?? "", displayName: displayName ?? "" };
      connection = { ...connection, relay: "connected" };
      tell("connection.changed", connection);
      return account;
    },
    "account.link": ({ code }: Record<string, string>) => {
      if (code !== options.linkCode) throw { code: "pairing_unknown", message: "unknown" };
      account = own;
      connection = { ...connection, relay: "connected" };
      tell("connection.changed", connection);
      return account;
    },
    "devices.list": () => devices,
    "devices.pair": () => ({ code: options.linkCode, expiresAt: Date.now() + options.codeLife }),
    "devices.cancelPairing": () => ({}),
    "devices.remove": ({ deviceId }: Loose) => {
      setDevices(devices.filter((other) => other.deviceId !== deviceId));
      return {};
    },
    "users.search": ({ prefix, limit }: { prefix: string; limit: number }) =>
      people.filter(({ handle }) => handle?.startsWith(prefix)).slice(0, limit),
    "conversations.list": () => logs.map((log) => log.summary()),
    "conversations.get": ({ conversationId }: Loose) => find(conversationId).summary(),
    "conversations.open": ({ handle }: Loose) => {
      const known = logs.find((log) => (log.peer?.handle ?? own.handle) === handle);
      if (known) return { conversationId: known.id };
      const peer = people.find((person) => person.handle === handle) ?? null;
      const log = new Log(peer ? "direct" : "notes", peer, 0, logs.length, 0);
      logs.push(log);
      return { conversationId: log.id };
    },
    "conversations.markRead": ({ conversationId }: Loose) => {
      const log = find(conversationId);
      log.unread = 0;
      tell("conversation.changed", log.summary());
      return {};
    },
    "conversations.setDraft": ({
      conversationId,
      text,
    }: {
      conversationId: string;
      text: string;
    }) => {
      const log = find(conversationId);
      log.draft = text;
      tell("conversation.changed", log.summary());
      return {};
    },
    "messages.list": (params: Loose) => {
      const log = find(params.conversationId);
      const limit = params.limit as number;
      const page: Told[] = [];
      const take = (index: number, step: 1 | -1, count: number) => {
        const end = page.length + count;
        for (let i = index; i >= 0 && i < log.length && page.length < end; i += step) {
          if (!log.removed.has(i)) page.push(log.at(i));
        }
        page.sort((a, b) => indexOf(a.messageId) - indexOf(b.messageId));
      };
      if (params.around) {
        take(indexOf(params.around) - 1, -1, Math.floor(limit / 2));
        take(indexOf(params.around), 1, limit - page.length);
      } else if (params.after) take(indexOf(params.after) + 1, 1, limit);
      else take(params.before ? indexOf(params.before) - 1 : log.length - 1, -1, limit);
      return page;
    },
    "messages.send": ({ conversationId, text, replyTo }: Record<string, string>) => {
      const log = find(conversationId);
      const index = log.length;
      const message: Told = { ...log.make(index, true, text ?? ""), seq: null };
      if (replyTo) message.replyTo = quote(replyTo);
      message.mentions = mentionsIn(text ?? "");
      add(log, message);
      later(() => update(log, index, { seq: index + 1, state: "sent" }), 60);
      return { messageId: message.messageId };
    },
    "presence.get": ({ handles }: { handles: string[] }) =>
      handles.map((handle) => {
        const index = people.findIndex((person) => person.handle === handle);
        return {
          userId: hex(100 + index),
          handle,
          online: index % 3 === 0,
          lastSeen: index % 3 === 0 ? null : started - index * 7 * HOUR,
          direct: connection.direct.some((channel) => channel.handle === handle),
        };
      }),
    "typing.set": () => ({}),
    "attention.set": () => ({}),
    "connection.get": () => connection,
    "connection.retry": () => {
      window.fake.connection({ relay: "connected", retryAt: null, error: null });
      return {};
    },
    "settings.get": () => settings,
    "settings.set": (change: Partial<Settings>) => {
      settings = { ...settings, ...change };
      tell("settings.changed", settings);
      return settings;
    },
  };

  const bridge = {
    call: (method: string, params: unknown) =>
      new Promise((resolve) => {
        calls.push([method, params]);
        later(() => {
          try {
            const code = failures.get(method);
            failures.delete(method);
            if (code !== undefined) throw { code, message: code };
            const answer = answers[method];
            if (!answer) throw { code: "unknown_method", message: method };
            resolve({ ok: true, result: structuredClone(answer(params as never)) });
          } catch (error) {
            resolve({ ok: false, error });
          }
        }, options.latency);
      }),
    subscribe: (listener: (event: unknown) => void) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    onOpenConversation: () => () => undefined,
  };
  const fake: Omit<Fake, keyof FakeDoings | keyof FakeGroups> = {
    calls,
    receive: (text, path = "direct") => {
      if (alice) add(alice, { ...alice.make(alice.length, false, text), path });
    },
    mark: (state) => {
      alice?.added.forEach((message, i) => {
        if (message.mine) update(alice, alice.generated + i, { state });
      });
    },
    typing: (active) =>
      tell("typing.changed", { conversationId: alice?.id, handle: "alice", active }),
    connection: (change) => {
      connection = { ...connection, ...change };
      tell("connection.changed", connection);
    },
    linkDevice: (name) => setDevices([...devices, device(5, name, { addedAt: Date.now() })]),
    failNext: (method, code) => failures.set(method, code),
  };
  const world = {
    own,
    people,
    logs,
    answers,
    find,
    open: (kind: "group", generated: number) => {
      const log = new Log(kind, null, generated, logs.length, 0);
      logs.unshift(log);
      return log;
    },
    findMessage,
    update,
    add,
    tell,
    later,
    mentionsIn,
  };
  Object.assign(window, { dovetail: bridge, fake, fakeWorld: world });
}

/** The built files at {@link ORIGIN}, as a host would serve them. */
export async function serveRenderer(page: Page): Promise<void> {
  await page.route(`${ORIGIN}/**`, async (route) => {
    const { pathname } = new URL(route.request().url());
    const path = join(DIST, normalize(pathname === "/" ? "index.html" : pathname));
    await route.fulfill({
      body: await readFile(path),
      headers: {
        "content-type": TYPES[extname(path)] ?? "application/octet-stream",
        "content-security-policy": POLICY,
      },
    });
  });
}

/** Opens the renderer on a fake host; gives what the page complains of, the policy's violations too. */
export async function openFake(page: Page, options: Partial<FakeOptions> = {}): Promise<string[]> {
  const problems: string[] = [];
  page.on("pageerror", (error) => problems.push(String(error)));
  page.on("console", (message) => {
    if (message.type() === "error" || message.type() === "warning") problems.push(message.text());
  });
  await serveRenderer(page);
  await page.addInitScript(fakeHost, { ...defaults, ...options });
  await page.addInitScript(fakeMessages);
  await page.addInitScript(fakeGroups, { ...defaults, ...options });
  await page.goto(`${ORIGIN}/`);
  return problems;
}
