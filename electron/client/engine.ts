/** A client that has an account: its parts, and what passes between them. */
import type { ConnectionState } from "../../shared/client-api.js";
import { DovetailError } from "../../shared/errors.js";
import type { ConversationId, UserId } from "../../shared/ids.js";
import { MAX_RECEIPT_MEMBERS } from "../../shared/limits.js";
import type { ConversationState } from "../../shared/protocol.js";
import { Alerts } from "./alerts.js";
import { Attention } from "./attention.js";
import { type Core, unchanged } from "./core.js";
import { Delivery } from "./delivery.js";
import { Devices } from "./devices.js";
import { DirectLinks } from "./direct-links.js";
import { DirectPath } from "./direct-path.js";
import { Disappearing } from "./disappearing.js";
import { addOwn } from "./entries.js";
import { HandIn } from "./hand-in.js";
import { HistoryTransfer } from "./history-transfer.js";
import { newsOf } from "./newcomers.js";
import { Pace } from "./pace.js";
import type { DeviceKey } from "./ports.js";
import { PresenceBook } from "./presence.js";
import type { Push, RelayLink, Welcome } from "./relay-link.js";
import { Repair } from "./repair.js";
import { Reports } from "./reports.js";
import { addressesRow, keys } from "./rows.js";
import type { Conversation } from "./state.js";
import { Sync } from "./sync.js";
import { Typing } from "./typing.js";

export class Engine {
  readonly links: DirectLinks;
  readonly devices: Devices;
  readonly presence: PresenceBook;
  readonly typing: Typing;
  readonly attention: Attention;
  readonly direct: DirectPath;
  readonly #core: Core;
  readonly #alerts: Alerts;
  readonly #delivery: Delivery;
  readonly #sync: Sync;
  readonly #repair: Repair;
  readonly #reports: Reports;
  readonly #handIn: HandIn;
  readonly #transfer: HistoryTransfer;
  readonly #disappearing: Disappearing;
  readonly #relay: RelayLink;

  constructor(core: Core, relay: RelayLink, key: DeviceKey, connectionChanged: () => void) {
    this.#core = core;
    this.#relay = relay;
    const { deviceId } = core.state.self;
    const enabled = core.state.settings.directEnabled;
    this.links = new DirectLinks(
      core.ports,
      { key, self: deviceId, enabled, welcome: (user) => !core.state.isBlocked(user) },
      {
        sendSignal: async (to, payload) => {
          await relay.request("signal", { deviceId: to, payload });
        },
        opened: (link) => this.direct.opened(link),
        frame: (link, frame) => this.direct.frame(link, frame),
        closed: (link) => this.direct.closed(link),
        changed: connectionChanged,
      },
    );
    this.devices = new Devices(core, relay, key);
    this.presence = new PresenceBook(core, relay, this.links, (user) =>
      this.direct.presenceChanged(user),
    );
    this.typing = new Typing(core, relay, this.links);
    this.attention = new Attention(core, relay, () => {
      this.#alerts.devicesChanged();
      this.#tellAllNews();
    });
    this.#alerts = new Alerts(core, this.attention);
    this.#reports = new Reports(core, relay);
    const placed = (id: ConversationId) => this.#reports.stored(id);
    const pace = new Pace();
    this.#delivery = new Delivery(core, {
      relay,
      pace,
      links: this.links,
      presence: this.presence,
      suspect: (id) => this.#sync.suspect(id),
      key,
      placed,
    });
    this.#transfer = new HistoryTransfer(core, this.links, this.presence);
    this.#sync = new Sync(core, relay, this.#transfer, {
      changed: (id) => this.#changed(id),
      rewound: (conversation) => this.#delivery.push(conversation),
      leveled: () => {
        this.#repair.leveled();
        this.#tellAllNews();
      },
      suspected: (id) => this.#repair.suspect(id),
    });
    this.#repair = new Repair(core, relay, {
      fetched: (id) => this.#sync.fetched(id),
      parted: (id) => this.#sync.parted(id),
    });
    this.#handIn = new HandIn(core, relay, this.presence, pace, placed);
    this.direct = new DirectPath(core, {
      links: this.links,
      presence: this.presence,
      delivery: this.#delivery,
      sync: this.#sync,
      typing: this.typing,
      transfer: this.#transfer,
    });
    this.#handIn.start();
    this.#disappearing = new Disappearing(core);
  }

  /** What follows the user to all devices is carried by the notes. */
  async #openNotes(): Promise<void> {
    const { state, ports } = this.#core;
    if (state.notes) return;
    try {
      const { userId } = state.self;
      const { conversation } = await this.#relay.request("openConversation", { userId });
      await this.#sync.meet(conversation);
    } catch (error) {
      ports.log.info("the notes are not open yet", { code: DovetailError.from(error).code });
    }
  }

  connected(welcome: Welcome): void {
    void this.#disappearing.see(welcome.now);
    void this.#openNotes();
    this.#servers(welcome);
    this.presence.forget();
    this.attention.connected();
    this.#alerts.connected(welcome.heartbeatMs);
    this.#repair.connected(welcome.run);
    this.#sync.connected();
    this.#reports.connected();
    this.#delivery.connected();
    void this.presence.follow();
  }

  #servers({ iceServers, addresses }: Pick<Welcome, "iceServers" | "addresses">): void {
    this.links.useIceServers(iceServers);
    this.#relay.learn(addresses);
    const { state, journal, ports } = this.#core;
    const isKnown = (address: string) => state.addresses.includes(address);
    if (addresses.length === state.addresses.length && addresses.every(isKnown)) return;
    const value = addressesRow.encode([...addresses]);
    journal
      .run(() => ({
        writes: [{ type: "put" as const, key: keys.addresses, value }],
        apply: () => {
          state.addresses = addresses;
        },
      }))
      // They are told anew at the next welcome.
      .catch((error: unknown) => {
        ports.log.warn("the relay's addresses were not kept", {
          code: DovetailError.from(error).code,
        });
      });
  }

  disconnected(): void {
    this.#sync.disconnected();
    this.#repair.disconnected();
    this.devices.disconnected();
    this.presence.lost();
    this.attention.disconnected();
    this.#alerts.disconnected();
  }

  push(frame: Push): void {
    if (frame.type === "presence") this.presence.hear(frame.presence);
    else if (frame.type === "signal") {
      this.links.receive({ userId: frame.userId, deviceId: frame.deviceId }, frame.payload);
    } else if (frame.type === "typing") {
      this.typing.hear(frame.conversationId, frame.userId, frame.active);
    } else if (frame.type === "attention") this.attention.hear(frame.devices);
    else if (frame.type === "servers") this.#servers(frame);
    else if (frame.type === "deviceRemoved") this.links.refuse(frame.deviceId);
    else if (frame.type === "linking") void this.devices.linking(frame);
    else if (frame.type === "devicesChanged") void this.devices.announce();
    else this.#sync.push(frame);
  }

  /** Own entries were queued. */
  queued(conversation: Conversation): void {
    void this.presence.follow();
    this.direct.reach(conversation);
    this.#delivery.push(conversation);
  }

  /** The conversation is in use. Resolves when it is known who of it is there. */
  async opened(conversation: Conversation): Promise<void> {
    await this.presence.followFirst(this.#core.state.others(conversation.row));
    this.direct.reach(conversation);
  }

  read(id: ConversationId): void {
    this.#reports.report(id);
  }

  /** Asks the relay how the conversation is now, and fetches what is new of it. */
  async level(id: ConversationId): Promise<void> {
    await this.#sync.learn(id);
    await this.#sync.fetched(id);
  }

  /** Takes what the relay answered of a conversation, and fetches what is new of it. */
  async meet(conversation: ConversationState): Promise<void> {
    await this.#sync.meet(conversation);
    await this.#sync.fetched(conversation.conversationId);
  }

  /** The cursors of a large group are not told of; without the relay they stay as they are known. */
  async refresh({ row }: Conversation): Promise<void> {
    if (row.members.length <= MAX_RECEIPT_MEMBERS || !this.#relay.connected) return;
    await this.#sync.learn(row.conversationId);
  }

  settled(conversation: Conversation, ms: number): Promise<boolean> {
    return this.#delivery.settled(conversation, ms);
  }

  directState(): ConnectionState["direct"] {
    return this.links.all.map(({ peer, state }) => ({
      handle: this.#handle(peer.userId),
      deviceId: peer.deviceId,
      state: state === "open" ? "open" : "connecting",
    }));
  }

  /** Whether all histories are as the relay's, as far as this device can know. */
  get isWhole(): boolean {
    return !this.#repair.isDue;
  }

  async close(): Promise<void> {
    this.#disappearing.close();
    this.#repair.close();
    this.#transfer.close();
    this.#handIn.close();
    this.direct.close();
    this.links.close();
    this.#delivery.close();
    this.#reports.close();
    this.typing.close();
    this.#alerts.close();
    this.attention.close();
    await this.#sync.idle();
  }

  /** Entries were stored, or a conversation became known. */
  #changed(id: ConversationId): void {
    this.#reports.stored(id);
    void this.presence.follow();
    const conversation = this.#core.state.conversations.get(id);
    if (conversation) void this.#tellNews(conversation);
  }

  #tellAllNews(): void {
    for (const each of this.#core.state.conversations.values()) void this.#tellNews(each);
  }

  /** To those who came to a group. What fails is tried when there is more of the log. */
  async #tellNews(conversation: Conversation): Promise<void> {
    const { state, journal, ports } = this.#core;
    const { conversationId } = conversation.row;
    try {
      while (newsOf(state, conversation, this.attention.isFirst)) {
        // In its turn: it may be said by then.
        await journal.run(async () => {
          const body = newsOf(state, conversation, this.attention.isFirst);
          return body ? addOwn(this.#core, conversationId, body) : unchanged(null);
        });
        this.queued(conversation);
      }
    } catch (error) {
      ports.log.warn("newcomers were not told", { code: DovetailError.from(error).code });
    }
  }

  #handle(user: UserId): string {
    return this.#core.state.people.get(user)?.handle ?? "unknown";
  }
}
