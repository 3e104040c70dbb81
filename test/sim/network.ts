/** Connections with latency, cuts and silent losses. In one connection nothing overtakes anything. */
import type {
  DirectChannel,
  DirectChannelEvents,
  DirectTransport,
  RelayDialer,
} from "../../electron/client/index.js";
import type { Relay, Session } from "../../relay/core/relay.js";
import { fromHex, toHex } from "../../shared/bytes.js";
import type { Prng, VirtualTime } from "./virtual-time.js";

/** `silent` takes everything and brings nothing: what a firewall or a sleeping machine does. */
export type Path = "up" | "cut" | "silent";

/** A process, from start to end. What it has asked for is not answered after its end. */
export interface Life {
  alive: boolean;
}

/** How long ICE tries before it gives up. */
const ICE_MS = 15_000;

/** Both ways of one connection. Where one message is lost none follows: there are no gaps in TCP. */
class Line {
  readonly #network: Network;
  readonly #path: () => Path;
  readonly #arrivals = { there: 0, back: 0 };
  #broken = false;

  constructor(network: Network, path: () => Path) {
    this.#network = network;
    this.#path = path;
  }

  carry(way: "there" | "back", deliver: () => void): void {
    const { time, random } = this.#network;
    const arrival = Math.max(this.#arrivals[way], time.now + random.between(1, 40));
    this.#arrivals[way] = arrival;
    time.after(arrival - time.now, () => {
      if (this.#path() !== "up") this.#broken = true;
      if (!this.#broken) deliver();
    });
  }
}

interface Connection {
  readonly device: string;
  readonly client: Life;
  readonly relay: Life;
  /** The client's machine says that it is gone. */
  hangUp(): void;
  /** Both sides are told that there is no connection any more. */
  break(): void;
}

interface ChannelEnd {
  readonly device: string;
  readonly life: Life;
  readonly events: DirectChannelEvents;
  readonly way: "there" | "back";
  peer: ChannelEnd | null;
  line: Line | null;
  state: "connecting" | "open" | "closed";
}

const pair = (a: string, b: string): string => (a < b ? `${a} ${b}` : `${b} ${a}`);

export class Network {
  readonly time: VirtualTime;
  readonly random: Prng;
  /** What listens at the relay's address: whoever dials comes to any of them. */
  relays: readonly { readonly life: Life; readonly core: Relay }[] = [];
  /** Messages that went over direct channels, to know that they were used at all. */
  directMessages = 0;
  readonly #relayPaths = new Map<string, Path>();
  readonly #directPaths = new Map<string, Path>();
  readonly #connections = new Set<Connection>();
  /** By the token that stands for its session description. */
  readonly #ends = new Map<string, ChannelEnd>();

  constructor(time: VirtualTime, random: Prng) {
    this.time = time;
    this.random = random;
  }

  setRelayPath(device: string, path: Path): void {
    this.#relayPaths.set(device, path);
    if (path !== "cut") return;
    for (const connection of [...this.#connections]) {
      if (connection.device === device) connection.break();
    }
  }

  setDirectPath(a: string, b: string, path: Path): void {
    this.#directPaths.set(pair(a, b), path);
    if (path !== "cut") return;
    for (const end of [...this.#ends.values()]) {
      if (end.peer && pair(end.device, end.peer.device) === pair(a, b)) this.#lose(end);
    }
  }

  #directPath(a: string, b: string): Path {
    return this.#directPaths.get(pair(a, b)) ?? "up";
  }

  /** To be called when a process has ended in whatever way. */
  ended(life: Life): void {
    for (const connection of [...this.#connections]) {
      if (connection.client === life) connection.hangUp();
      if (connection.relay === life) connection.break();
    }
    for (const [token, end] of [...this.#ends]) {
      if (end.life !== life) continue;
      this.#ends.delete(token);
      end.state = "closed";
      if (end.peer) this.#lose(end.peer);
    }
  }

  dialer(device: string, client: Life): RelayDialer {
    const path = () => this.#relayPaths.get(device) ?? "up";
    return {
      dial: (_url, events) => {
        const relay = this.relays.length > 1 ? this.random.pick(this.relays) : this.relays[0];
        let state: "dialling" | "open" | "closed" = "dialling";
        let session: Session | null = null;
        const line = new Line(this, path);
        const tellClient = (code: number, reason: string) => {
          if (state === "closed" || !client.alive) return;
          state = "closed";
          events.closed(code, reason);
        };
        if (!relay?.life.alive || path() === "cut") {
          this.time.after(5, () => tellClient(1006, "unreachable"));
          const close = () => {
            state = "closed";
          };
          return { send: () => {}, close };
        }
        const tellRelay = () => {
          const ending = session;
          session = null;
          if (relay.life.alive) ending?.closed();
        };
        const hangUp = () => {
          state = "closed";
          this.#connections.delete(connection);
          line.carry("there", tellRelay);
        };
        const connection: Connection = {
          device,
          client,
          relay: relay.life,
          hangUp,
          break: () => {
            this.#connections.delete(connection);
            this.time.after(5, () => tellClient(1006, "broken"));
            this.time.after(5, tellRelay);
          },
        };
        this.#connections.add(connection);
        line.carry("there", () => {
          if (!relay.life.alive || state === "closed") return;
          let bufferedBytes = 0;
          session = relay.core.connect({
            get bufferedBytes() {
              return bufferedBytes;
            },
            send: (frame) => {
              bufferedBytes += frame.length;
              line.carry("back", () => {
                bufferedBytes -= frame.length;
                if (state === "open" && client.alive) events.frame(frame);
              });
            },
            close: (code, reason) => {
              session = null;
              line.carry("back", () => {
                this.#connections.delete(connection);
                tellClient(code, reason);
              });
            },
          });
          line.carry("back", () => {
            if (state !== "dialling" || !client.alive) return;
            state = "open";
            events.open();
          });
        });
        return {
          send: (frame) => {
            if (state !== "open") return;
            line.carry("there", () => {
              if (relay.life.alive) session?.receive(frame);
            });
          },
          close: hangUp,
        };
      },
    };
  }

  /** Offer and answer are one token each; a channel opens when each has come to the other side. */
  direct(device: string, life: Life): DirectTransport {
    return {
      available: true,
      open: ({ initiator }, events) => this.#open(device, life, initiator, events),
    };
  }

  #open(
    device: string,
    life: Life,
    initiator: boolean,
    events: DirectChannelEvents,
  ): DirectChannel {
    const token = toHex(this.random.bytes(8));
    const way = initiator ? "there" : "back";
    const end: ChannelEnd = {
      device,
      life,
      events,
      way,
      peer: null,
      line: null,
      state: "connecting",
    };
    this.#ends.set(token, end);
    const tellPeer = () =>
      this.time.after(3, () => {
        if (life.alive && end.state !== "closed") events.signal(fromHex(token));
      });
    if (initiator) tellPeer();
    return {
      signal: (payload) => {
        const peer = this.#ends.get(toHex(payload));
        // Where the other side is gone already the owner gives up in time.
        if (!peer || end.peer || end.state === "closed") return;
        end.peer = peer;
        end.line = peer.line ?? new Line(this, () => this.#directPath(device, peer.device));
        if (initiator) this.#join(end, peer, end.line);
        else tellPeer();
      },
      send: (message) => {
        const { peer, line } = end;
        if (end.state !== "open" || !peer) return;
        line?.carry(way, () => {
          if (peer.state !== "open" || !peer.life.alive) return;
          this.directMessages++;
          peer.events.message(message);
        });
      },
      close: () => {
        if (end.state === "closed") return;
        this.#ends.delete(token);
        const { peer, line } = end;
        if (peer) line?.carry(way, () => this.#close(peer, "the other side closed"));
        end.state = "closed";
        this.time.after(0, () => {
          if (life.alive) events.closed("closed");
        });
      },
    };
  }

  #join(offering: ChannelEnd, answering: ChannelEnd, line: Line): void {
    const ends = [offering, answering];
    if (this.#directPath(offering.device, answering.device) !== "up") {
      for (const end of ends) this.time.after(ICE_MS, () => this.#close(end, "ICE failed"));
      return;
    }
    for (const end of ends) {
      line.carry(end.way === "there" ? "back" : "there", () => {
        if (end.state !== "connecting" || !end.life.alive) return;
        end.state = "open";
        end.events.open();
      });
    }
  }

  /** The end of a broken channel notices it after a while. */
  #lose(end: ChannelEnd): void {
    this.time.after(this.random.between(100, 5_000), () => this.#close(end, "lost"));
  }

  #close(end: ChannelEnd, reason: string): void {
    if (end.state === "closed" || !end.life.alive) return;
    end.state = "closed";
    end.events.closed(reason);
  }
}
