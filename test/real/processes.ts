/** Real processes for the tests: relays and headless clients, driven over stdin and stdout alone. */
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { createWriteStream } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import type {
  ClientEvent,
  EventName,
  Events,
  Message,
  Method,
  Params,
  Results,
} from "../../shared/client-api.js";
import { freePort } from "../parts/nats.mjs";

const ROOT = resolve(import.meta.dirname, "../..");
export const DIST = join(ROOT, "dist");
/** For `node --import`. */
export const SHIFTED_CLOCK = join(ROOT, "test/real/shifted-clock.mjs");
/** Long enough for a loaded machine; nothing here measures time. */
const PATIENCE_MS = 90_000;

/** One machine plays many people, so what the relay allows one device or address is not what is tested. */
export const NO_LIMITS = [
  "device",
  "address",
  "accept",
  "connection",
  "registration",
  "conversation",
].flatMap((what) => [`--${what}-rate`, "1000000"]);

/** Everything a test started, so that it can end it; by pid, and nothing else. */
export class Scene {
  readonly #folders: string[] = [];
  readonly #children: Child[] = [];
  readonly #ends: (() => Promise<unknown>)[] = [];
  readonly #detached: boolean;

  /** `detached` programs do not hear the Ctrl-C that is meant for who started them. */
  constructor({ detached = false } = {}) {
    this.#detached = detached;
  }

  async folder(): Promise<string> {
    const folder = await mkdtemp(join(tmpdir(), "dovetail-real-"));
    this.#folders.push(folder);
    return folder;
  }

  async relay(options: {
    data: string;
    port?: number;
    args?: string[];
    within?: string[];
    log?: string;
  }): Promise<Relay> {
    const { data, args = [], within = [], log } = options;
    // A connection of somebody else must not have it when the relay is started there again.
    const port = options.port || (await freePort());
    const command = [
      join(DIST, "relay/main.js"),
      ...["--host", "127.0.0.1", "--port", String(port), "--data", data, "--workers", "1", ...args],
    ];
    const child = this.#start(within, command, log);
    const line = await child.line((each) => each.event === "listening");
    return new Relay(child, String(line.url), String(line.http));
  }

  async client(options: {
    profile: string;
    relay: string;
    within?: string[];
    log?: string;
    hears?: Hears;
  }): Promise<Headless> {
    const { profile, relay, within = [], log, hears } = options;
    const command = [join(DIST, "headless/main.js"), "--profile", profile, "--relay", relay];
    return new Headless(this.#start(within, command, log), hears);
  }

  /** The browser host; gives the address of its page. */
  async browserHost(options: {
    profile: string;
    relay: string;
    port?: number;
  }): Promise<BrowserHost> {
    const { profile, relay } = options;
    const port = options.port || (await freePort());
    const child = this.#start(
      [],
      [
        join(DIST, "browser/main.js"),
        ...["--profile", profile, "--relay", relay, "--port", String(port), "--no-open"],
      ],
    );
    const line = await child.line((each) => each.event === "ready");
    return { url: String(line.url), kill: (signal) => child.kill(signal) };
  }

  /** A client with an account, on a profile of its own. */
  async person(handle: string, relay: string, within: string[] = []): Promise<Person> {
    const profile = await this.folder();
    const client = await this.client({ profile, relay, within });
    await client.call("account.register", { handle, displayName: handle.toUpperCase() });
    return { client, profile, handle };
  }

  /** Another device of somebody, linked with the code that the first shows. */
  async link(person: Person, relay: string): Promise<Person> {
    const { code } = await person.client.call("devices.pair", {});
    const profile = await this.folder();
    const client = await this.client({ profile, relay });
    const spelled = code.replace(/(....)(?=.)/g, "$1-").toLowerCase();
    const { handle } = await client.call("account.link", { code: spelled });
    if (handle !== person.handle) throw new Error(`linked to ${handle}`);
    return { client, profile, handle };
  }

  /** The same device again, after it was killed or stopped. */
  async again({ profile, handle }: Person, relay: string): Promise<Person> {
    return { client: await this.client({ profile, relay }), profile, handle };
  }

  /** Something else that is to end with the scene, first of all. */
  endWith(end: () => Promise<unknown>): void {
    this.#ends.push(end);
  }

  async end(): Promise<void> {
    // One that a test has killed is over already.
    await Promise.allSettled(this.#ends.map((end) => end()));
    await Promise.all(this.#children.map((child) => child.kill("SIGKILL")));
    await Promise.all(this.#folders.map((folder) => rm(folder, { recursive: true, force: true })));
  }

  #start(within: readonly string[], args: readonly string[], log?: string): Child {
    const [command, ...rest] = [...within, process.execPath, ...args];
    const options = { stdio: "pipe", detached: this.#detached } as const;
    const child = new Child(spawn(command as string, rest, options), log);
    this.#children.push(child);
    return child;
  }
}

export interface Person {
  readonly client: Headless;
  readonly profile: string;
  readonly handle: string;
}

export interface BrowserHost {
  readonly url: string;
  kill(signal: NodeJS.Signals): Promise<Ending>;
}

/** An exit code, or the signal that a program died of. */
type Ending = number | NodeJS.Signals | null;

type Line = Record<string, unknown>;

/** Takes events as they come; they are not kept then. */
export type Hears = (event: ClientEvent) => void;

class Child {
  readonly #process: ChildProcessWithoutNullStreams;
  readonly #exited: Promise<Ending>;
  readonly #listeners = new Set<(line: Line) => void>();
  #log = "";
  readonly #workers: number[] = [];
  #killed = false;

  /** What it writes to stderr is added to the file `log`, where one is given. */
  constructor(child: ChildProcessWithoutNullStreams, log?: string) {
    this.#process = child;
    this.#exited = new Promise((done) =>
      child.once("exit", (code, signal) => done(code ?? signal)),
    );
    child.stderr.on("data", (chunk) => {
      this.#log = (this.#log + String(chunk)).slice(-20_000);
    });
    createInterface({ input: child.stderr }).on("line", (line) => this.#note(line));
    if (log) child.stderr.pipe(createWriteStream(log, { flags: "a" }));
    child.stdin.on("error", () => undefined);
    createInterface({ input: child.stdout }).on("line", (text) => {
      const line = this.#parse(text);
      if (!line) return;
      for (const listener of [...this.#listeners]) listener(line);
    });
  }

  get log(): string {
    return this.#log;
  }

  get pid(): number {
    return this.#process.pid as number;
  }

  /** Process ids of a relay's workers, as they were last started. Needs the log level `info`. */
  get workers(): readonly number[] {
    return this.#workers;
  }

  onLine(listener: (line: Line) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async line(wanted: (line: Line) => boolean): Promise<Line> {
    return await new Promise((done, failed) => {
      const stop = this.onLine((line) => {
        if (!wanted(line)) return;
        stop();
        done(line);
      });
      void this.#exited.then((code) => failed(new Error(`ended with ${code}:\n${this.#log}`)));
    });
  }

  write(line: Line): void {
    this.#process.stdin.write(`${JSON.stringify(line)}\n`);
  }

  endInput(): void {
    this.#process.stdin.end();
  }

  async kill(signal: NodeJS.Signals): Promise<Ending> {
    this.#killed = true;
    this.#process.kill(signal);
    return await this.#exited;
  }

  /** Stops or continues it. */
  signal(signal: "SIGSTOP" | "SIGCONT"): void {
    this.#process.kill(signal);
  }

  #note(line: string): void {
    if (!line.includes('"worker.listening"')) return;
    const started = JSON.parse(line) as { worker: number; process: number };
    this.#workers[started.worker] = started.process;
  }

  /** Null for the half of a line that a killed process leaves. */
  #parse(text: string): Line | null {
    try {
      return JSON.parse(text) as Line;
    } catch (error) {
      if (this.#killed) return null;
      throw error;
    }
  }

  exited(): Promise<Ending> {
    return this.#exited;
  }
}

export class Relay {
  readonly url: string;
  readonly http: string;
  readonly #child: Child;

  constructor(child: Child, url: string, http: string) {
    this.#child = child;
    this.url = url;
    this.http = http;
  }

  get port(): number {
    return Number(new URL(this.url).port);
  }

  get pid(): number {
    return this.#child.pid;
  }

  kill(signal: NodeJS.Signals = "SIGKILL"): Promise<Ending> {
    return this.#child.kill(signal);
  }

  signal(signal: "SIGSTOP" | "SIGCONT"): void {
    this.#child.signal(signal);
  }

  exited(): Promise<Ending> {
    return this.#child.exited();
  }

  get workers(): readonly number[] {
    return this.#child.workers;
  }

  /** The value of a metric, of all workers together; 0 where it was not counted yet. */
  async metric(name: string): Promise<number> {
    const text = await (await fetch(`${this.http}/metrics`)).text();
    const lines = text.split("\n").filter((line) => line.split(/[ {]/, 1)[0] === name);
    return lines.reduce((sum, line) => sum + Number(line.split(" ").at(-1)), 0);
  }
}

interface Reply {
  readonly id?: number;
  readonly result?: unknown;
  readonly error?: { readonly message: string; readonly data?: { readonly code?: string } };
}

export class RpcError extends Error {
  readonly code: string | undefined;

  constructor(error: NonNullable<Reply["error"]>) {
    super(error.message);
    this.code = error.data?.code;
  }
}

export class Headless {
  readonly #child: Child;
  readonly #waiting = new Map<
    number,
    { done: (value: never) => void; failed: (error: Error) => void }
  >();
  readonly #events: { readonly event: string; readonly data: unknown }[] = [];
  #next = 1;

  constructor(child: Child, hears?: Hears) {
    this.#child = child;
    const take = hears ?? ((event: ClientEvent) => this.#events.push(event));
    child.onLine((line) => {
      if (typeof line.method === "string") {
        take({ event: line.method, data: line.params } as ClientEvent);
        return;
      }
      const { id, result, error } = line as Reply;
      const waiting = this.#waiting.get(id ?? 0);
      this.#waiting.delete(id ?? 0);
      if (error) waiting?.failed(new RpcError(error));
      else waiting?.done(result as never);
    });
    void child.exited().then(() => {
      for (const { failed } of this.#waiting.values()) failed(new Error(`ended:\n${child.log}`));
    });
  }

  get log(): string {
    return this.#child.log;
  }

  call<M extends Method>(method: M, params: Params<M>): Promise<Results[M]> {
    const id = this.#next++;
    this.#child.write({ jsonrpc: "2.0", id, method, params });
    return new Promise((done, failed) => this.#waiting.set(id, { done, failed }));
  }

  /** Data of the events so far that have this name. */
  events<E extends EventName>(name: E): Events[E][] {
    return this.#events.filter(({ event }) => event === name).map(({ data }) => data as Events[E]);
  }

  kill(): Promise<Ending> {
    return this.#child.kill("SIGKILL");
  }

  signal(signal: "SIGSTOP" | "SIGCONT"): void {
    this.#child.signal(signal);
  }

  exited(): Promise<Ending> {
    return this.#child.exited();
  }

  /** Ends as a script would: by closing its input. */
  async stop(): Promise<Ending> {
    this.#child.endInput();
    return await this.#child.exited();
  }

  async messages(conversationId: Message["conversationId"]): Promise<Message[]> {
    const all: Message[] = [];
    for (;;) {
      const before = all[0]?.messageId;
      const page = await this.call("messages.list", {
        conversationId,
        limit: 500,
        ...(before && { before }),
      });
      all.unshift(...page);
      if (page.length < 500) return all;
    }
  }
}

/** Asks again until the answer will do. */
export async function until<T>(
  what: string,
  ask: () => Promise<T> | T,
  enough: (answer: T) => boolean,
): Promise<T> {
  const end = Date.now() + PATIENCE_MS;
  for (;;) {
    const answer = await ask();
    if (enough(answer)) return answer;
    if (Date.now() > end) throw new Error(`never: ${what}; last ${JSON.stringify(answer)}`);
    await new Promise((done) => setTimeout(done, 25));
  }
}

/** A and B have a conversation, and a direct channel where that is wanted. */
export async function introduce(
  a: Person,
  b: Person,
  direct = true,
): Promise<Message["conversationId"]> {
  const { conversationId } = await a.client.call("conversations.open", { handle: b.handle });
  await until(
    "the other side knows the conversation",
    () => b.client.call("conversations.list", {}),
    (list) => list.some((each) => each.conversationId === conversationId),
  );
  if (direct) await openChannel(a, b);
  return conversationId;
}

export async function openChannel(a: Person, b: Person): Promise<void> {
  await until(
    `a direct channel from ${a.handle} to ${b.handle}`,
    async () => {
      await a.client.call("conversations.open", { handle: b.handle });
      return await a.client.call("connection.get", {});
    },
    ({ direct }) => direct.some((each) => each.handle === b.handle && each.state === "open"),
  );
}
