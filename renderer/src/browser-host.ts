/** The browser host: the client API as JSON-RPC 2.0 over a WebSocket to this computer. */
import {
  type ClientEvent,
  type EventName,
  eventSummaries,
  type Method,
  type Params,
  type Results,
} from "../../shared/client-api.js";
import { DovetailError } from "../../shared/errors.js";
import { failure, type Host } from "./host-contract.js";

const SECRET_KEY = "dovetail.secret";
const RECONNECT_FIRST_MS = 250;
const RECONNECT_MAX_MS = 4_000;

/** Takes the per-launch secret out of the address, where history and screenshots would keep it. */
export function takeSecret(): string {
  const given = new URLSearchParams(location.hash.slice(1)).get("secret");
  if (given !== null) {
    sessionStorage.setItem(SECRET_KEY, given);
    history.replaceState(null, "", location.pathname + location.search);
  }
  return sessionStorage.getItem(SECRET_KEY) ?? "";
}

interface Pending {
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: DovetailError) => void;
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const isEventName = (value: unknown): value is EventName =>
  typeof value === "string" && Object.hasOwn(eventSummaries, value);

function errorOf(error: unknown): DovetailError {
  const data = isRecord(error) && isRecord(error.data) ? error.data : {};
  const message = isRecord(error) ? String(error.message) : "malformed answer of the local host";
  const retryAfterMs = typeof data.retryAfterMs === "number" ? data.retryAfterMs : undefined;
  return failure(data.code, message, retryAfterMs);
}

export class BrowserHost implements Host {
  readonly kind = "browser";
  /** Resolves with the first connection; there is nothing to show before it. */
  readonly opened: Promise<void>;
  readonly #url: string;
  readonly #secret: string;
  readonly #pending = new Map<number, Pending>();
  readonly #listeners = new Set<(event: ClientEvent) => void>();
  #socket: WebSocket | null = null;
  #nextId = 1;
  #failures = 0;
  #lost: () => void = () => {};
  #back: () => void = () => {};

  constructor(url: string, secret: string) {
    this.#url = url;
    this.#secret = secret;
    this.opened = new Promise((resolve, reject) => this.#connect(resolve, reject));
  }

  call<M extends Method>(method: M, params: Params<M>): Promise<Results[M]> {
    const socket = this.#socket;
    if (!socket) return Promise.reject(new DovetailError("closed"));
    const id = this.#nextId++;
    return new Promise<Results[M]>((resolve, reject) => {
      this.#pending.set(id, { resolve: (result) => resolve(result as Results[M]), reject });
      socket.send(JSON.stringify({ jsonrpc: "2.0", id, method, params }));
    });
  }

  subscribe(listener: (event: ClientEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  onLost(listener: () => void): void {
    this.#lost = listener;
  }

  onBack(listener: () => void): void {
    this.#back = listener;
  }

  /** Notifications of this host are the page's own. */
  onOpenConversation(): void {}

  #connect(firstOpen: () => void, firstFailed: (error: DovetailError) => void): void {
    const socket = new WebSocket(this.#url, ["dovetail", `secret.${this.#secret}`]);
    let open = false;
    socket.addEventListener("open", () => {
      open = true;
      this.#failures = 0;
      this.#socket = socket;
      firstOpen();
    });
    socket.addEventListener("message", ({ data }) => this.#receive(data));
    socket.addEventListener("close", () => {
      this.#socket = null;
      for (const { reject } of this.#pending.values()) reject(new DovetailError("closed"));
      this.#pending.clear();
      firstFailed(new DovetailError("closed"));
      if (open) this.#lost();
      this.#reconnect();
    });
  }

  #reconnect(): void {
    const delay = Math.min(RECONNECT_MAX_MS, RECONNECT_FIRST_MS * 2 ** this.#failures++);
    setTimeout(
      () =>
        this.#connect(
          () => this.#back(),
          () => {},
        ),
      delay,
    );
  }

  #receive(text: unknown): void {
    const message: unknown = parseJson(text);
    if (!isRecord(message) || message.jsonrpc !== "2.0") return;
    if (isEventName(message.method) && isRecord(message.params)) {
      const event = { event: message.method, data: message.params } as unknown as ClientEvent;
      for (const listener of this.#listeners) listener(event);
      return;
    }
    const pending = typeof message.id === "number" ? this.#pending.get(message.id) : undefined;
    if (!pending) return;
    this.#pending.delete(message.id as number);
    if ("result" in message) pending.resolve(message.result);
    else pending.reject(errorOf(message.error));
  }
}

function parseJson(text: unknown): unknown {
  if (typeof text !== "string") return null;
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
