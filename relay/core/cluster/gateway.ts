import { toHex } from "../../../shared/bytes.js";
import { DovetailError } from "../../../shared/errors.js";
import type { DeviceId, UserId } from "../../../shared/ids.js";
import { MAX_CHANGES } from "../../../shared/limits.js";
import { clientFrames, type RelayFrame, relayFrames } from "../../../shared/protocol.js";
import type { Clock, Log, Random } from "../../../shared/runtime.js";
import { ASK_AGAIN_MS, CERTAIN_MS, LOOK_MS, LOOK_SOON_MS, LOOKS_PER_MS } from "../bounds.js";
import type { Peer } from "../connections.js";
import { refusedBy } from "../failures.js";
import type { Openings } from "../openings.js";
import { answer, type Request, type RequestContext } from "../requests.js";
import type { Seats } from "../seats.js";
import { type Guest, newGuest } from "./guests.js";
import type { Looks } from "./looks.js";
import type { NodeMessage } from "./messages.js";
import type { Nodes } from "./nodes.js";
import { placeOf } from "./placing.js";
import type { NodeId } from "./ring.js";

interface GatewayParts {
  readonly requests: RequestContext;
  readonly openings: Openings;
  readonly seats: Seats;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

type Frame<T extends Request["type"]> = Extract<Request, { type: T }>;
/** A frame, or one that comes encoded from another node. */
type Answer = RelayFrame | Uint8Array | null;

/** Of a node's own connections: asks for them whoever owns what they ask about, and tells where they are. */
export class ClusterGateway {
  readonly #nodes: Nodes;
  readonly #parts: GatewayParts;
  readonly #looks: Looks;
  readonly #guests = new Map<number, Guest>();

  constructor(nodes: Nodes, looks: Looks, parts: GatewayParts) {
    this.#nodes = nodes;
    this.#looks = looks;
    this.#parts = parts;
  }

  arrived(peer: Peer): void {
    const guest = newGuest(peer, this.#parts.clock.monotonic());
    this.#guests.set(peer.address.connection, guest);
    this.#settle(guest);
    this.#lookLater(guest, LOOK_MS);
  }

  /** Nothing that is said from now on reaches it. */
  deviceRemoved(device: DeviceId): void {
    for (const { peer } of [...this.#guests.values()]) if (peer.deviceId === device) peer.removed();
  }

  ended(peer: Peer): void {
    const guest = this.#guests.get(peer.address.connection);
    if (!guest) return;
    this.#guests.delete(peer.address.connection);
    guest.look?.cancel();
    if (guest.seat === this.#nodes.node) this.#parts.seats.leave(peer);
    else this.#parts.seats.forget(peer);
    const { connection } = peer.address;
    for (const node of guest.knownAt) this.#nodes.tell(node, { type: "left", connection });
  }

  /** @throws DovetailError as {@link answer} does; `overloaded` where the owner gives no answer. */
  async answer(peer: Peer, frame: Request): Promise<Answer> {
    const guest = this.#guests.get(peer.address.connection);
    if (!guest) return null;
    switch (frame.type) {
      case "watchPresence":
        guest.watching = frame.userIds;
        guest.layout = this.#layoutOf(guest);
        return this.#watch(guest, frame);
      case "getPresence":
        return this.#fromOwners(guest, frame, this.#byOwner(frame.userIds), false);
      case "attention":
        guest.attention = { frame, at: this.#parts.clock.monotonic() };
        return this.#ask(guest, guest.seat ?? this.#nodes.node, frame, true);
      case "openPairing":
        await this.#closePairing(guest);
        // Nobody would end what it opens from now on.
        if (!this.#isHere(guest)) return null;
        return this.#openPairing(guest, frame);
      case "closePairing":
      case "addDevice":
        return this.#ask(guest, guest.place?.node ?? this.#nodes.node, frame, true);
      case "getChanges":
        return this.#changes(guest, frame);
      default: {
        const place = placeOf(this.#nodes, this.#parts.requests, peer.userId, frame);
        const node = typeof place === "string" ? place : await place;
        return this.#ask(guest, node, frame, false);
      }
    }
  }

  /** Counts a conversation that may be new. @throws DovetailError `rate_limited`, `overloaded`. */
  async mayOpen({ userId, deviceId }: Peer): Promise<void> {
    const owner = this.#nodes.owner(userId);
    if (owner === this.#nodes.node) return this.#parts.openings.count(deviceId);
    const refusal = await this.#nodes.ask(owner, (id) => ({ type: "opening", id, deviceId }));
    if (refusal) throw refusedBy(refusal);
  }

  take(message: NodeMessage): void {
    if (message.type !== "deliver" && message.type !== "end") return;
    const peer = this.#guests.get(message.connection)?.peer;
    if (message.type === "deliver") peer?.send(message.frame);
    else if (message.reason === "replaced") peer?.replaced();
    else peer?.removed();
  }

  ringChanged(gone: readonly NodeId[]): void {
    const soonMs = Math.max(LOOK_SOON_MS, this.#guests.size / LOOKS_PER_MS);
    for (const guest of this.#guests.values()) {
      for (const node of gone) guest.knownAt.delete(node);
      this.#keepPlace(guest);
      if (guest.layout !== this.#layoutOf(guest)) this.#settle(guest);
      // What was on its way to the client, or about it, may have been lost with a node.
      guest.certainAt = Number.NEGATIVE_INFINITY;
      this.#lookLater(guest, soonMs);
    }
  }

  stop(): void {
    for (const { look } of this.#guests.values()) look?.cancel();
  }

  #isHere(guest: Guest): boolean {
    return this.#guests.get(guest.peer.address.connection) === guest;
  }

  #layoutOf({ peer, watching }: Guest): string {
    return [peer.userId, ...watching].map((user) => this.#nodes.owner(user)).join();
  }

  /** Tells the owners of the guest's shards about it, and all others that it is their affair no more. */
  #settle(guest: Guest): void {
    const { peer } = guest;
    const { connection } = peer.address;
    for (const node of guest.knownAt) this.#nodes.tell(node, { type: "moved", connection });
    guest.knownAt.clear();
    if (guest.seat !== null) this.#parts.seats.forget(peer);
    guest.place = null;
    guest.layout = this.#layoutOf(guest);
    guest.seat = this.#nodes.owner(peer.userId);
    void this.#announce(guest, ++guest.settled);
  }

  /** Until all of it is told: what is kept of it at other nodes is no better than what they were told. */
  async #announce(guest: Guest, settled: number): Promise<void> {
    const { seats, clock, log } = this.#parts;
    const node = guest.seat as NodeId;
    const isHere = node === this.#nodes.node;
    if (isHere) seats.take(guest.peer);
    else guest.knownAt.add(node);
    for (let known = isHere, told = false; !told; ) {
      if (!this.#isHere(guest) || guest.settled !== settled) return;
      try {
        if (!known) await this.#tellArrived(guest.peer, node);
        known = true;
        if (this.#isHere(guest) && guest.settled === settled) await this.#tellAgain(guest);
        told = true;
      } catch (error) {
        log.debug("guest.not-announced", { node, error });
        await new Promise<void>((resolve) => void clock.after(ASK_AGAIN_MS, resolve));
      }
    }
  }

  #tellArrived({ userId, deviceId, address }: Peer, node: NodeId): Promise<unknown> {
    const { connection } = address;
    return this.#nodes.ask(node, (id) => ({ type: "arrived", id, connection, userId, deviceId }));
  }

  /** What the client has told before of its attention, and whom it watches. */
  async #tellAgain(guest: Guest): Promise<void> {
    const { attention, watching } = guest;
    if (attention) {
      const { usedAgo } = attention.frame;
      const since = this.#parts.clock.monotonic() - attention.at;
      const frame = { ...attention.frame, usedAgo: usedAgo === null ? null : usedAgo + since };
      await this.#ask(guest, guest.seat as NodeId, frame, true);
    }
    if (watching.length === 0) return;
    const states = await this.#watch(guest, {
      type: "watchPresence",
      requestId: 0,
      userIds: watching,
    });
    if (states.type !== "presences") throw new DovetailError("overloaded");
    for (const presence of states.states) {
      guest.peer.send(relayFrames.encode({ type: "presence", presence }));
    }
  }

  /** Each owner replaces what the guest watches there, also with nothing. */
  #watch(guest: Guest, frame: Frame<"watchPresence">): Promise<RelayFrame> {
    const users = this.#byOwner(frame.userIds);
    for (const node of [this.#nodes.node, ...guest.knownAt]) {
      if (!users.has(node)) users.set(node, []);
    }
    return this.#fromOwners(guest, frame, users, true);
  }

  #byOwner(users: readonly UserId[]): Map<NodeId, UserId[]> {
    const owners = new Map<NodeId, UserId[]>();
    for (const user of users) {
      const owner = this.#nodes.owner(user);
      owners.set(owner, [...(owners.get(owner) ?? []), user]);
    }
    return owners;
  }

  /** Asks each owner about its users, and puts the answers in the order of the question. */
  async #fromOwners(
    guest: Guest,
    frame: Frame<"watchPresence" | "getPresence">,
    owners: ReadonlyMap<NodeId, readonly UserId[]>,
    lasting: boolean,
  ): Promise<RelayFrame> {
    const answers = await Promise.all(
      [...owners].map(([node, userIds]) =>
        this.#askDecoded(guest, node, { ...frame, userIds }, lasting),
      ),
    );
    const known = new Map(
      answers
        .flatMap((each) => (each?.type === "presences" ? each.states : []))
        .map((state) => [state.userId, state]),
    );
    const failed = answers.find((each) => each?.type === "error");
    if (failed) return failed;
    const { requestId, userIds } = frame;
    const states = userIds.map(
      (userId) => known.get(userId) ?? { userId, devices: [], lastSeen: 0 },
    );
    return { type: "presences", requestId, states };
  }

  #openPairing(guest: Guest, frame: Frame<"openPairing">): Promise<Answer> {
    const name = toHex(frame.place);
    const node = this.#nodes.owner(name);
    guest.place = { name, node };
    return this.#ask(guest, node, frame, true);
  }

  async #closePairing(guest: Guest): Promise<void> {
    const { place } = guest;
    guest.place = null;
    if (!place || !this.#nodes.has(place.node)) return;
    await this.#ask(guest, place.node, { type: "closePairing", requestId: 0 }, true);
  }

  /** Whoever asks from now on asks another node: so who waits at this one is told that it is in vain. */
  #keepPlace(guest: Guest): void {
    const { place } = guest;
    if (!place || (this.#nodes.has(place.node) && this.#nodes.owner(place.name) === place.node))
      return;
    this.#closePairing(guest).catch((error) =>
      this.#parts.log.debug("place.not-closed", { error }),
    );
  }

  async #changes(guest: Guest, frame: Frame<"getChanges">): Promise<Answer> {
    const page = await this.#askDecoded(guest, this.#nodes.owner(guest.peer.userId), frame, false);
    if (page?.type === "changes" && !page.more) {
      guest.position = page.upTo;
      if (!guest.look) this.#lookLater(guest, LOOK_MS);
    }
    return page;
  }

  #lookLater(guest: Guest, withinMs: number): void {
    guest.look?.cancel();
    const delayMs = withinMs * (0.5 + this.#parts.random.fraction() / 2);
    guest.look = this.#parts.clock.after(delayMs, () => void this.#look(guest));
  }

  /**
   * Ends the connection of a device that was removed. Tells any other client what its inbox has since it
   * last asked: with that it knows what the bus has lost, and may move its stamp, which pushes do not.
   */
  async #look(guest: Guest): Promise<void> {
    try {
      if (await this.#isRemoved(guest)) return guest.peer.removed();
      for (let more = await this.#hasNews(guest); more && this.#isHere(guest); ) {
        const after = guest.position ?? 0;
        const page = await this.#askDecoded(
          guest,
          this.#nodes.owner(guest.peer.userId),
          { type: "getChanges", requestId: 0, after, limit: MAX_CHANGES },
          false,
        );
        if (page?.type !== "changes" || page.upTo < after) break;
        page.conversations.forEach((conversation, i) => {
          const stamp = i === page.conversations.length - 1 ? page.upTo : 0;
          guest.peer.send(relayFrames.encode({ type: "conversation", stamp, conversation }));
        });
        guest.position = page.upTo;
        more = page.more && page.upTo > after;
      }
    } catch (error) {
      this.#parts.log.debug("look.failed", { error });
    }
    if (this.#isHere(guest)) this.#lookLater(guest, LOOK_MS);
  }

  async #hasNews({ peer, position }: Guest): Promise<boolean> {
    return position !== null && this.#looks.hasNews(peer.userId, position);
  }

  /** As the store has it: what another node was told may not have come to this one. */
  async #isRemoved(guest: Guest): Promise<boolean> {
    const now = this.#parts.clock.monotonic();
    if (now - guest.certainAt < CERTAIN_MS) return false;
    const device = await this.#parts.requests.people.currentDevice(guest.peer.deviceId);
    guest.certainAt = now;
    return device?.removed ?? false;
  }

  async #askDecoded(
    guest: Guest,
    node: NodeId,
    frame: Request,
    lasting: boolean,
  ): Promise<RelayFrame | null> {
    const given = await this.#ask(guest, node, frame, lasting);
    return given instanceof Uint8Array ? relayFrames.decode(given) : given;
  }

  /** `lasting`: the node keeps something of the guest. */
  #ask(guest: Guest, node: NodeId, frame: Request, lasting: boolean): Promise<Answer> {
    const { peer } = guest;
    if (node === this.#nodes.node) return answer(this.#parts.requests, peer, frame);
    if (lasting) guest.knownAt.add(node);
    const { userId, deviceId, address } = peer;
    const { connection } = address;
    const bytes = clientFrames.encode(frame);
    return this.#nodes.ask(node, (id) => ({
      type: "request",
      id,
      connection,
      userId,
      deviceId,
      lasting,
      frame: bytes,
    }));
  }
}
