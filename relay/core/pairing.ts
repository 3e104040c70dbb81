import { sameBytes, toHex } from "../../shared/bytes.js";
import { DovetailError } from "../../shared/errors.js";
import { relayFrames } from "../../shared/protocol.js";
import type { Clock, Timer } from "../../shared/runtime.js";
import { PAIRING_MS } from "./bounds.js";
import type { Peer } from "./connections.js";
import type { Device } from "./ports.js";

/** A new device that asks to be added, and waits. */
export interface Applicant {
  readonly publicKey: Uint8Array;
  readonly deviceName: string;
  readonly proof: Uint8Array;
  added(device: Device): void;
  refused(error: DovetailError): void;
}

interface Pairing {
  readonly place: string;
  readonly peer: Peer;
  readonly timer: Timer;
  applicant: Applicant | null;
}

/**
 * Where a device of an account and a new one meet. The relay carries what they say and decides
 * nothing: the one checks by the code that the other knows it, and signs its key.
 */
export class PairingBoard {
  readonly #clock: Clock;
  readonly #byPlace = new Map<string, Pairing>();
  readonly #byPeer = new Map<Peer, Pairing>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  open(peer: Peer, place: Uint8Array): void {
    this.close(peer);
    const name = toHex(place);
    if (this.#byPlace.has(name)) throw new DovetailError("pairing_unknown");
    const timer = this.#clock.after(PAIRING_MS, () => this.close(peer));
    const pairing: Pairing = { place: name, peer, timer, applicant: null };
    this.#byPlace.set(name, pairing);
    this.#byPeer.set(peer, pairing);
  }

  /** The place is gone, and who waits there is told. Also when the connection has ended. */
  close(peer: Peer): void {
    const pairing = this.#byPeer.get(peer);
    if (!pairing) return;
    this.#remove(pairing);
    pairing.applicant?.refused(new DovetailError("pairing_unknown"));
  }

  /** @throws DovetailError `pairing_unknown` where nobody waits at the place, or somebody asks already. */
  ask(place: Uint8Array, applicant: Applicant): void {
    const pairing = this.#byPlace.get(toHex(place));
    if (!pairing || pairing.applicant) throw new DovetailError("pairing_unknown");
    pairing.applicant = applicant;
    const { proof, deviceName, publicKey } = applicant;
    pairing.peer.send(relayFrames.encode({ type: "linking", proof, deviceName, publicKey }));
  }

  /** The applicant has gone: another may ask. */
  leave(applicant: Applicant): void {
    for (const pairing of this.#byPlace.values()) {
      if (pairing.applicant === applicant) pairing.applicant = null;
    }
  }

  /** Ends the pairing with who asked; null where nobody with that key did. */
  take(peer: Peer, publicKey: Uint8Array): Applicant | null {
    const pairing = this.#byPeer.get(peer);
    if (!pairing?.applicant || !sameBytes(pairing.applicant.publicKey, publicKey)) return null;
    this.#remove(pairing);
    return pairing.applicant;
  }

  #remove(pairing: Pairing): void {
    pairing.timer.cancel();
    this.#byPlace.delete(pairing.place);
    this.#byPeer.delete(pairing.peer);
  }
}
