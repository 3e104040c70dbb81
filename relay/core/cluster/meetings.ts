/**
 * Who is there, and whether all that is said arrives: nodes that meet on a bus which carries messages at
 * most once and says nothing of those it loses. Two nodes count what they say to each other. Where
 * something of it is missing, or one has not heard the other for a while, both begin anew: each is told
 * that the other is gone before it is told that it is there.
 */
import {
  bool,
  bytes,
  decode,
  encode,
  type Field,
  id,
  list,
  struct,
  uint,
} from "../../../shared/codec.js";
import type { Clock, Log, Timer } from "../../../shared/runtime.js";
import { BEAT_MS, BEAT_SOON_MS, GONE_MS, MAX_NODE_MESSAGE_BYTES, MAX_NODES } from "../bounds.js";
import type { BusListener } from "./bus.js";
import type { NodeId } from "./ring.js";

/** What carries to other nodes what these two give it, whole or not at all. */
export interface Carrier {
  /** To all, each in the order of its sending. */
  publish(beat: Uint8Array): void;
  /** From one node to another in the order of sending. */
  send(to: NodeId, message: Uint8Array): void;
}

const node: Field<NodeId> = id();

const heartbeat = struct({
  from: node,
  /** Counts up by one from the first: an older one that comes late says nothing. */
  number: uint(),
  /** The node ends: nobody need wait until it is missed. */
  going: bool,
  /** Of each node that it hears: both sides' numbers of the meeting, and how much it has sent in it. */
  hears: list(struct({ node, own: uint(), theirs: uint(), sent: uint() }), MAX_NODES),
});

const letter = struct({
  from: node,
  /** The meeting in which it is said, as the receiver and as the sender counts. */
  theirs: uint(),
  own: uint(),
  /** Counts up by one from 1 in that meeting. */
  number: uint(),
  body: bytes(MAX_NODE_MESSAGE_BYTES),
});

interface Peer {
  /** Of the meeting, as this node counts: none is used twice. */
  own: number;
  /** As the peer counts; 0 until it has told. */
  theirs: number;
  /** Each has heard the other's number: so each hears the other. */
  met: boolean;
  sent: number;
  received: number;
  /** How much the peer had sent when it last said so, and when that was heard. */
  said: { readonly sent: number; readonly at: number } | null;
  beat: number;
  /** Monotonic. */
  heardAt: number;
}

export class Meetings {
  readonly #node: NodeId;
  readonly #carrier: Carrier;
  readonly #clock: Clock;
  readonly #log: Log;
  /** All that are heard, also those that do not hear this node. */
  readonly #peers = new Map<NodeId, Peer>();
  #listener: BusListener | null = null;
  #meetings = 0;
  #beats = 0;
  #timer: Timer | null = null;
  #soon: Timer | null = null;

  constructor(own: NodeId, carrier: Carrier, { clock, log }: { clock: Clock; log: Log }) {
    this.#node = own;
    this.#carrier = carrier;
    this.#clock = clock;
    this.#log = log;
  }

  /** Called once, when what others send can be heard. */
  listen(listener: BusListener): void {
    this.#listener = listener;
    this.#tellMembers();
    this.#beat();
  }

  /** To one that this node has met; to any other it is lost. */
  send(to: NodeId, body: Uint8Array): void {
    const peer = this.#peers.get(to);
    if (!peer?.met) return;
    const { own, theirs } = peer;
    const number = ++peer.sent;
    this.#carrier.send(to, encode(letter, { from: this.#node, theirs, own, number, body }));
  }

  /** A heartbeat of any node has come. @throws DovetailError `malformed_frame`. */
  heard(message: Uint8Array): void {
    const { from, number, going, hears } = decode(heartbeat, message);
    const known = this.#peers.get(from);
    if (from === this.#node || (known && number <= known.beat)) return;
    if (going) {
      this.#forget([from]);
      return;
    }
    const now = this.#clock.monotonic();
    const peer = known ?? this.#newPeer();
    this.#peers.set(from, peer);
    peer.beat = number;
    peer.heardAt = now;
    const said = hears.find((each) => each.node === this.#node);
    const theirs = said?.own ?? 0;
    // It has begun anew, or does not hear this node any more.
    if (peer.met && theirs !== peer.theirs) this.#part([peer]);
    if (!known || theirs !== peer.theirs) this.#beatSoon();
    peer.theirs = theirs;
    if (!peer.met && theirs > 0 && said?.theirs === peer.own) this.#meet(peer);
    if (peer.met && said) this.#compare(from, peer, { sent: said.sent, at: now });
  }

  /** A message to this node has come. @throws DovetailError `malformed_frame`. */
  received(message: Uint8Array): void {
    const { from, theirs, own, number, body } = decode(letter, message);
    const peer = this.#peers.get(from);
    if (!peer || theirs !== peer.own || own !== peer.theirs) return;
    // It knows this node's number of the meeting.
    if (!peer.met) this.#meet(peer);
    if (number > peer.received + 1) this.#lost(from, peer);
    else if (number === peer.received + 1) {
      peer.received = number;
      this.#listener?.received(from, body);
    }
  }

  /** With all: what was said may be lost, and the others may have held this node for gone. */
  beginAnew(): void {
    this.#part([...this.#peers.values()]);
  }

  /** Tells the others that it goes. */
  close(): void {
    this.#timer?.cancel();
    this.#soon?.cancel();
    this.#publish(true);
  }

  #newPeer(): Peer {
    return { ...this.#newMeeting(), theirs: 0, beat: 0, heardAt: this.#clock.monotonic() };
  }

  #newMeeting(): Omit<Peer, "theirs" | "beat" | "heardAt"> {
    return { own: ++this.#meetings, met: false, sent: 0, received: 0, said: null };
  }

  #meet(peer: Peer): void {
    peer.met = true;
    this.#tellMembers();
  }

  /** What came before a heartbeat has come by the next: not all ways are equally long. */
  #compare(from: NodeId, peer: Peer, said: { sent: number; at: number }): void {
    const before = peer.said;
    if (before && said.at - before.at < BEAT_MS / 2) return;
    peer.said = said;
    if (before && peer.received < before.sent) this.#lost(from, peer);
  }

  #lost(from: NodeId, peer: Peer): void {
    this.#log.warn("bus.lost", { from });
    this.#part([peer]);
  }

  /** They are heard still, and are met anew once they know the new number. */
  #part(peers: readonly Peer[]): void {
    const met = peers.some((peer) => peer.met);
    for (const peer of peers) Object.assign(peer, this.#newMeeting());
    if (met) this.#tellMembers();
    this.#beatSoon();
  }

  #forget(nodes: readonly NodeId[]): void {
    const met = nodes.some((each) => this.#peers.get(each)?.met);
    for (const each of nodes) this.#peers.delete(each);
    if (met) this.#tellMembers();
  }

  #tellMembers(): void {
    const met = [...this.#peers].filter(([, peer]) => peer.met).map(([each]) => each);
    this.#listener?.members([this.#node, ...met]);
  }

  #beat(): void {
    const now = this.#clock.monotonic();
    const silent = [...this.#peers].filter(([, { heardAt }]) => now - heardAt > GONE_MS);
    this.#forget(silent.map(([each]) => each));
    this.#publish(false);
    this.#timer = this.#clock.after(BEAT_MS, () => this.#beat());
  }

  /** So that those who meet need not wait for each other's next heartbeat. */
  #beatSoon(): void {
    this.#soon ??= this.#clock.after(BEAT_SOON_MS, () => {
      this.#soon = null;
      this.#publish(false);
    });
  }

  #publish(going: boolean): void {
    const hears = [...this.#peers]
      .slice(0, MAX_NODES)
      .map(([each, { own, theirs, sent }]) => ({ node: each, own, theirs, sent }));
    const number = ++this.#beats;
    this.#carrier.publish(encode(heartbeat, { from: this.#node, number, going, hears }));
  }
}
