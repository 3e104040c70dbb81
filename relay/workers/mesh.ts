/**
 * The bus between the workers of one relay on one machine, and questions that they ask each other: a
 * connection from each to each, by a socket in a folder that only their user can enter. (By way of the
 * first process, as Node's own messages go, each would be copied twice and all would wait for one.)
 */
import { randomBytes } from "node:crypto";
import { unlink } from "node:fs/promises";
import { connect, createServer, type Server } from "node:net";
import { join } from "node:path";
import { deserialize, serialize } from "node:v8";
import { z } from "zod";
import { DovetailError, isErrorCode } from "../../shared/errors.js";
import type { Clock, Log } from "../../shared/runtime.js";
import type { Bus, BusListener } from "../core/cluster/bus.js";
import type { NodeId, Placement } from "../core/cluster/ring.js";
import { DIAL_MS, GATHER_MS, MAX_WAITING_BYTES, PATIENCE_MS, RETRY_MS } from "./bounds.js";
import { Calls } from "./calls.js";
import { Kind, Link } from "./link.js";
import { nodeAt, type Seat, SeatPlacement, seatIn } from "./seats.js";

const RUN_BYTES = 16;

export interface MeshOptions extends Seat {
  /** Of the sockets: the workers' own. */
  readonly sockets: string;
  /** 32 bytes, of this start of the relay. */
  readonly secret: Uint8Array;
}

/** What one worker asks of another. */
const question = z.object({
  id: z.int().nonnegative(),
  subject: z.string().max(64),
  args: z.array(z.unknown()).max(8),
});
const answer = z.object({
  id: z.int().nonnegative(),
  error: z
    .object({ code: z.string(), message: z.string(), retryAfterMs: z.number().nullable() })
    .nullable(),
  value: z.unknown(),
});

/** Answers questions: what it throws is told to whoever asked. */
export type Answerer = (subject: string, args: readonly unknown[]) => Promise<unknown>;

interface Peer {
  readonly node: NodeId;
  readonly link: Link;
}

export class Mesh implements Bus {
  readonly node: NodeId;
  readonly #options: MeshOptions;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #server: Server;
  readonly #peers = new Map<number, Peer>();
  readonly #links = new Set<Link>();
  /** Since when on the steady clock those are away that were there. */
  readonly #awaySince = new Map<number, number>();
  readonly #openedAt: number;
  readonly #calls: Calls;
  #asked = 0;
  readonly #answerer: Promise<Answerer>;
  #setAnswerer: (answerer: Answerer) => void = () => {};
  #listener: BusListener | null = null;
  #gathered: (() => void) | null = null;
  #closed = false;

  private constructor(options: MeshOptions, { clock, log }: { clock: Clock; log: Log }) {
    this.node = nodeAt(options.index, randomBytes(RUN_BYTES).toString("hex"));
    this.#options = options;
    this.#clock = clock;
    this.#log = log;
    this.#calls = new Calls(clock);
    this.#openedAt = clock.monotonic();
    this.#server = createServer((socket) => this.#met(socket));
    this.#answerer = new Promise((resolve) => {
      this.#setAnswerer = resolve;
    });
  }

  static async open(options: MeshOptions, parts: { clock: Clock; log: Log }): Promise<Mesh> {
    const mesh = new Mesh(options, parts);
    const path = socketOf(options.sockets, options.index);
    // Of a worker that was killed.
    if (process.platform !== "win32") await unlink(path).catch(() => undefined);
    await new Promise<void>((resolve, reject) => {
      // Its own, and not by way of the first process as the port is.
      mesh.#server.once("error", reject).listen({ path, exclusive: true }, resolve);
    });
    for (let seat = 0; seat < options.index; seat++) mesh.#dial(seat);
    return mesh;
  }

  /** Until then questions of others wait. */
  answers(answerer: Answerer): void {
    this.#setAnswerer(answerer);
  }

  listen(listener: BusListener): void {
    this.#listener = listener;
    this.#tellMembers();
  }

  /** Resolves when the others are there, or after a while without them. */
  async gathered(): Promise<void> {
    if (this.#peers.size === this.#options.count - 1) return;
    await new Promise<void>((resolve) => {
      this.#gathered = resolve;
      this.#clock.after(GATHER_MS, resolve);
    });
  }

  place(nodes: readonly NodeId[]): Placement {
    return new SeatPlacement(nodes, this.#options.count);
  }

  send(to: NodeId, message: Uint8Array): void {
    const peer = this.#peers.get(seatIn(to));
    if (peer?.node === to) this.#write(peer, Kind.bus, message);
  }

  /**
   * Asks the worker of that seat, also when it has to be started again first: so it may be asked twice.
   * @throws DovetailError what it throws, or `overloaded` where it gives no answer, has too much to
   * answer already, or has been away for longer than anybody waits.
   */
  async ask(
    seat: number,
    subject: string,
    args: readonly unknown[],
    patienceMs = PATIENCE_MS,
  ): Promise<unknown> {
    if (this.#closed || this.#isLongAway(seat)) throw noAnswer(seat);
    const id = ++this.#asked;
    const body = serialize({ id, subject, args });
    if (!this.#calls.hasRoom(seat, body.length)) throw noAnswer(seat);
    const answered = this.#calls.add(id, { seat, body }, patienceMs, () => noAnswer(seat));
    const peer = this.#peers.get(seat);
    if (peer) this.#write(peer, Kind.question, body);
    return answered;
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#calls.rejectAll(noAnswer);
    for (const link of this.#links) link.end();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  #isLongAway(seat: number): boolean {
    if (this.#peers.has(seat)) return false;
    const since = this.#awaySince.get(seat) ?? this.#openedAt;
    return this.#clock.monotonic() - since > PATIENCE_MS;
  }

  /** What one that is too far behind was not told is as lost as with a way that broke: so that breaks. */
  #write({ link, node }: Peer, kind: Kind, body: Uint8Array): void {
    if (link.waitingBytes <= MAX_WAITING_BYTES) link.send(kind, body);
    else {
      this.#log.warn("mesh.too-far-behind", { worker: seatIn(node) });
      link.destroy();
    }
  }

  #dial(seat: number): void {
    if (this.#closed) return;
    const socket = connect(socketOf(this.#options.sockets, seat));
    const again = () => void this.#clock.after(DIAL_MS, () => this.#dial(seat));
    socket.once("error", () => undefined);
    socket.once("connect", () => this.#met(socket));
    socket.once("close", again);
  }

  #met(socket: ReturnType<typeof connect>): void {
    let peer: Peer | undefined;
    const secret = Buffer.from(this.#options.secret);
    const link: Link = new Link(
      socket,
      { secret, node: this.node },
      {
        met: (node) => {
          peer = { node, link };
          this.#arrived(peer);
        },
        message: (kind, body) => {
          if (peer) this.#take(peer, kind, body);
        },
        ended: (error) => {
          if (error) this.#log.debug("mesh.link-failed", { error });
          this.#links.delete(link);
          if (peer && this.#peers.get(seatIn(peer.node)) === peer) this.#left(peer);
        },
      },
    );
    this.#links.add(link);
  }

  #arrived(peer: Peer): void {
    const seat = seatIn(peer.node);
    const before = this.#peers.get(seat);
    if (before) {
      // What was on the way is lost, also where both still live: they begin anew with each other.
      before.link.destroy();
      this.#left(before);
    }
    this.#peers.set(seat, peer);
    this.#awaySince.delete(seat);
    this.#tellMembers();
    for (const body of this.#calls.bodiesFor(seat)) peer.link.send(Kind.question, body);
    if (this.#peers.size === this.#options.count - 1) this.#gathered?.();
  }

  #left(peer: Peer): void {
    this.#peers.delete(seatIn(peer.node));
    this.#awaySince.set(seatIn(peer.node), this.#clock.monotonic());
    if (!this.#closed) this.#log.warn("mesh.worker-gone", { worker: seatIn(peer.node) });
    this.#tellMembers();
  }

  #tellMembers(): void {
    this.#listener?.members([this.node, ...[...this.#peers.values()].map(({ node }) => node)]);
  }

  #take(peer: Peer, kind: number, body: Buffer): void {
    if (kind === Kind.bus) this.#listener?.received(peer.node, body);
    else if (kind === Kind.question) void this.#answer(peer, body);
    else if (kind === Kind.answer) this.#answered(peer, body);
    else this.#log.warn("mesh.not-understood", { kind });
  }

  async #answer(peer: Peer, body: Buffer): Promise<void> {
    const asked = this.#decode(question, body);
    if (!asked) return;
    const { id, subject, args } = asked;
    let given: { value: unknown; error: z.infer<typeof answer>["error"] };
    try {
      given = { value: await (await this.#answerer)(subject, args), error: null };
    } catch (thrown) {
      const { code, message, retryAfterMs } = DovetailError.from(thrown);
      if (code === "internal") this.#log.error("mesh.answer-failed", { subject, error: thrown });
      given = { value: null, error: { code, message, retryAfterMs: retryAfterMs ?? null } };
    }
    this.#write(peer, Kind.answer, serialize({ id, ...given }));
  }

  #answered({ node }: Peer, body: Buffer): void {
    const given = this.#decode(answer, body);
    const call = given && this.#calls.take(given.id, seatIn(node));
    if (!given || !call) return;
    const { error, value } = given;
    if (!error) call.resolve(value);
    else {
      const code = isErrorCode(error.code) ? error.code : "internal";
      const retryAfterMs = error.retryAfterMs ?? undefined;
      call.reject(new DovetailError(code, error.message, { retryAfterMs }));
    }
  }

  #decode<T>(schema: z.ZodType<T>, body: Buffer): T | null {
    try {
      return schema.parse(deserialize(body));
    } catch (error) {
      this.#log.warn("mesh.not-understood", { error });
      return null;
    }
  }
}

/** Windows has no socket files that Node can use, and names them in a space of their own. */
const socketOf = (folder: string, seat: number): string =>
  process.platform === "win32" ? `\\\\.\\pipe\\${folder}-${seat}` : join(folder, `${seat}.sock`);

const noAnswer = (seat: number): DovetailError =>
  new DovetailError("overloaded", `Worker ${seat} of the relay gives no answer.`, {
    retryAfterMs: RETRY_MS,
  });
