import { toHex } from "../../../shared/bytes.js";
import { DovetailError } from "../../../shared/errors.js";
import { deviceIdOf } from "../../../shared/ids.js";
import type { Crypto } from "../../../shared/runtime.js";
import { refusedBy } from "../failures.js";
import type { Applicant, PairingBoard } from "../pairing.js";
import type { People } from "../people.js";
import type { Nodes } from "./nodes.js";
import type { NodeId } from "./ring.js";

/** New devices that ask at a pairing place, wherever it is. */
export class Applications {
  readonly #nodes: Nodes;
  readonly #parts: { pairings: PairingBoard; people: People; crypto: Crypto };
  /** Of those that ask at another node. */
  readonly #asked = new Map<Applicant, { readonly node: NodeId; readonly id: number }>();

  constructor(nodes: Nodes, parts: { pairings: PairingBoard; people: People; crypto: Crypto }) {
    this.#nodes = nodes;
    this.#parts = parts;
  }

  /** @throws DovetailError `pairing_unknown`, where that is known at once; else the applicant is refused. */
  ask(place: Uint8Array, applicant: Applicant): void {
    const owner = this.#nodes.owner(toHex(place));
    if (owner === this.#nodes.node) this.#parts.pairings.ask(place, applicant);
    else void this.#askAt(owner, place, applicant);
  }

  /** The applicant has gone. */
  leave(applicant: Applicant): void {
    const asked = this.#asked.get(applicant);
    if (asked) this.#nodes.tell(asked.node, { type: "withdraw", id: asked.id });
    else this.#parts.pairings.leave(applicant);
  }

  async #askAt(node: NodeId, place: Uint8Array, applicant: Applicant): Promise<void> {
    const { publicKey, deviceName, proof } = applicant;
    try {
      const refusal = await this.#nodes.ask(
        node,
        (id) => ({ type: "apply", id, place, publicKey, deviceName, proof }),
        null,
        (id) => this.#asked.set(applicant, { node, id }),
      );
      if (refusal) throw refusedBy(refusal);
      const { people, crypto } = this.#parts;
      const device = await people.currentDevice(deviceIdOf(publicKey, crypto.sha256));
      if (!device) throw new DovetailError("unknown_device");
      applicant.added(device);
    } catch (error) {
      applicant.refused(DovetailError.from(error));
    } finally {
      this.#asked.delete(applicant);
    }
  }
}
