/** Who is typing: worth nothing a moment later, so nothing of it is kept or repeated. */
import type { ConversationId, UserId } from "../../shared/ids.js";
import type { Timer } from "../../shared/runtime.js";
import type { Core } from "./core.js";
import type { DirectLinks } from "./direct-links.js";
import type { RelayLink } from "./relay-link.js";

/** "Typing" is believed for this long. */
const FADES_MS = 6_000;
/** While somebody types on, the others are told this often. */
const REPEAT_MS = 3_000;

export class Typing {
  readonly #core: Core;
  readonly #relay: RelayLink;
  readonly #links: DirectLinks;
  readonly #told = new Map<ConversationId, number>();
  readonly #heard = new Map<string, Timer>();

  constructor(core: Core, relay: RelayLink, links: DirectLinks) {
    this.#core = core;
    this.#relay = relay;
    this.#links = links;
  }

  set(conversationId: ConversationId, active: boolean): void {
    const { state, ports } = this.#core;
    const { row } = state.conversation(conversationId);
    const now = ports.clock.monotonic();
    const told = this.#told.get(conversationId);
    if (active && told !== undefined && now - told < REPEAT_MS) return;
    if (!active && told === undefined) return;
    if (active) this.#told.set(conversationId, now);
    else this.#told.delete(conversationId);

    const direct = state.others(row).map((user) => this.#links.open(user));
    if (direct.length > 0 && direct.every((links) => links.length > 0)) {
      for (const link of direct.flat()) link.send({ type: "typing", conversationId, active });
    } else {
      this.#relay.tell({ type: "typing", conversationId, active });
    }
  }

  hear(conversationId: ConversationId, user: UserId, active: boolean): void {
    const key = `${conversationId}/${user}`;
    const timer = this.#heard.get(key);
    timer?.cancel();
    if (active) {
      this.#heard.set(
        key,
        this.#core.ports.clock.after(FADES_MS, () => this.hear(conversationId, user, false)),
      );
    } else if (!this.#heard.delete(key)) return;
    if (active && timer) return;
    const handle = this.#core.state.people.get(user)?.handle ?? "unknown";
    this.#core.events.emit("typing.changed", { conversationId, handle, active });
  }

  close(): void {
    for (const timer of this.#heard.values()) timer.cancel();
  }
}
