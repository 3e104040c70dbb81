/** A bare client of the wire protocol: registers, then hands in entries as fast as it is told to. */
import { generateKeyPairSync, sign } from "node:crypto";
import { WebSocket } from "ws";
import { type ConversationId, type DeviceId, deviceIdOf } from "../shared/ids.js";
import { nodeCrypto } from "../shared/node/runtime.js";
import {
  type ClientFrame,
  clientFrames,
  PROTOCOL_VERSION,
  type RelayFrame,
  registrationBytes,
  relayFrames,
} from "../shared/protocol.js";

type FrameOf<T extends RelayFrame["type"]> = Extract<RelayFrame, { type: T }>;

export class RelayClient {
  readonly #socket: WebSocket;
  readonly #waiting = new Map<RelayFrame["type"], (frame: RelayFrame) => void>();
  readonly #appends = new Map<number, (answer: RelayFrame) => void>();
  #deviceId = "" as DeviceId;
  #conversationId = "" as ConversationId;
  #nextN = 1;
  #requestId = 0;
  /** Entries of others that were pushed to it. */
  received = 0;

  constructor(url: string) {
    this.#socket = new WebSocket(url, { perMessageDeflate: false });
    this.#socket.on("message", (data: Buffer) => this.#receive(relayFrames.decode(data)));
  }

  #receive(frame: RelayFrame): void {
    if (frame.type === "entries") this.received += frame.entries.length;
    if (frame.type === "ping") this.#send({ type: "pong", nonce: frame.nonce });
    const requestId = "requestId" in frame ? frame.requestId : null;
    const append = requestId === null ? undefined : this.#appends.get(requestId);
    if (append && requestId !== null) {
      this.#appends.delete(requestId);
      append(frame);
    } else if (frame.type === "error") {
      throw new Error(`The relay refused: ${frame.code} ${frame.message}`);
    } else {
      this.#waiting.get(frame.type)?.(frame);
    }
  }

  #send(frame: ClientFrame): void {
    this.#socket.send(clientFrames.encode(frame));
  }

  #next<T extends RelayFrame["type"]>(type: T): Promise<FrameOf<T>> {
    return new Promise((resolve) => {
      this.#waiting.set(type, (frame) => resolve(frame as FrameOf<T>));
    });
  }

  async register(handle: string): Promise<void> {
    const keys = generateKeyPairSync("ed25519");
    const publicKey = Buffer.from(keys.publicKey.export({ format: "jwk" }).x ?? "", "base64url");
    // Many are made before the first registers, so it may be open long since.
    if (this.#socket.readyState !== WebSocket.OPEN) {
      await new Promise((resolve, reject) => {
        this.#socket.once("open", resolve);
        this.#socket.once("error", reject);
      });
    }
    const challenged = this.#next("challenge");
    this.#send({ type: "hello", version: PROTOCOL_VERSION, client: "bench" });
    const { relay, nonce } = await challenged;
    const wanted = { handle, displayName: handle, deviceName: "bench", publicKey };
    const signature = sign(null, registrationBytes(relay, nonce, wanted), keys.privateKey);
    const welcomed = this.#next("welcome");
    this.#send({ type: "register", ...wanted, invite: null, signature });
    const { userId } = await welcomed;
    this.#deviceId = deviceIdOf(publicKey, nodeCrypto.sha256);
    const opened = this.#next("opened");
    this.#send({ type: "openConversation", requestId: ++this.#requestId, userId });
    this.#conversationId = (await opened).conversation.conversationId;
  }

  /** From now on appends go to the conversation with that person. */
  async openWith(handle: string): Promise<void> {
    const found = this.#next("people");
    this.#send({ type: "searchUsers", requestId: ++this.#requestId, prefix: handle, limit: 1 });
    const [person] = (await found).people;
    if (!person) throw new Error(`There is no ${handle}.`);
    const opened = this.#next("opened");
    const requestId = ++this.#requestId;
    this.#send({ type: "openConversation", requestId, userId: person.userId });
    this.#conversationId = (await opened).conversation.conversationId;
  }

  /** Resolves when the relay has acknowledged them, which it does once they are durable. */
  async append(payloads: readonly Uint8Array[]): Promise<void> {
    const requestId = ++this.#requestId;
    const firstN = this.#nextN;
    this.#nextN += payloads.length;
    const answer = await new Promise<RelayFrame>((resolve) => {
      this.#appends.set(requestId, resolve);
      this.#send({
        type: "append",
        requestId,
        conversationId: this.#conversationId,
        entries: payloads.map((payload, i) => ({
          deviceId: this.#deviceId,
          n: firstN + i,
          ttl: 0,
          signature: null,
          payload,
        })),
        heldBy: [],
      });
    });
    if (answer.type !== "appended") {
      const why = answer.type === "error" ? `${answer.code} ${answer.message}` : answer.type;
      throw new Error(`The relay refused an append: ${why}`);
    }
  }

  close(): void {
    this.#socket.close();
  }
}
