import { DovetailError } from "../../shared/errors.js";
import type { ClientFrame, RelayFrame } from "../../shared/protocol.js";
import type { Clock, Timer } from "../../shared/runtime.js";

/** Which frame answers which. */
const answers = {
  searchUsers: "people",
  openConversation: "opened",
  getConversation: "opened",
  append: "appended",
  getEntries: "page",
  moveCursors: "done",
  getChanges: "changes",
  watchPresence: "presences",
  getPresence: "presences",
  signal: "done",
  openPairing: "done",
  closePairing: "done",
  addDevice: "done",
  removeDevice: "done",
  getDevices: "devices",
  createGroup: "opened",
  changeMembership: "appended",
  createInvite: "done",
  getInvites: "invites",
  revokeInvite: "done",
  getInvitation: "invitation",
  join: "opened",
  block: "done",
  compareLog: "compared",
} as const;

export type RequestType = keyof typeof answers;
export type Request<T extends RequestType> = Omit<
  Extract<ClientFrame, { type: T }>,
  "type" | "requestId"
>;
export type Answer<T extends RequestType> = Extract<RelayFrame, { type: (typeof answers)[T] }>;
type AnyAnswer = Answer<RequestType>;

/** How long a request may wait for its answer. */
const REQUEST_MS = 15_000;
/** Requests waiting at once; one more is refused rather than queued without bound. */
const MAX_WAITING = 256;

interface Waiting {
  readonly expected: AnyAnswer["type"];
  readonly resolve: (answer: AnyAnswer) => void;
  readonly reject: (error: DovetailError) => void;
  readonly timer: Timer;
}

/** Pairs requests with their answers. */
export class Requests {
  readonly #clock: Clock;
  readonly #send: (frame: ClientFrame) => void;
  readonly #waiting = new Map<number, Waiting>();
  #next = 1;

  constructor(clock: Clock, send: (frame: ClientFrame) => void) {
    this.#clock = clock;
    this.#send = send;
  }

  /** @throws DovetailError what the relay answered; `timeout`; `overloaded`. */
  ask<T extends RequestType>(type: T, fields: Request<T>): Promise<Answer<T>> {
    if (this.#waiting.size >= MAX_WAITING) {
      return Promise.reject(
        new DovetailError("overloaded", "Too many requests wait for the relay."),
      );
    }
    const requestId = this.#next;
    this.#next = (this.#next % 0xffff_ffff) + 1;
    const answer = new Promise<AnyAnswer>((resolve, reject) => {
      const timer = this.#clock.after(REQUEST_MS, () => {
        this.reject(requestId, new DovetailError("timeout"));
      });
      this.#waiting.set(requestId, { expected: answers[type], resolve, reject, timer });
    });
    this.#send({ type, requestId, ...fields } as unknown as ClientFrame);
    return answer as Promise<Answer<T>>;
  }

  resolve(answer: AnyAnswer): void {
    const waiting = this.#take(answer.requestId);
    if (waiting?.expected === answer.type) waiting.resolve(answer);
    else waiting?.reject(new DovetailError("unexpected_frame"));
  }

  reject(requestId: number, error: DovetailError): void {
    this.#take(requestId)?.reject(error);
  }

  rejectAll(error: DovetailError): void {
    for (const requestId of [...this.#waiting.keys()]) this.reject(requestId, error);
  }

  #take(requestId: number): Waiting | undefined {
    const waiting = this.#waiting.get(requestId);
    this.#waiting.delete(requestId);
    waiting?.timer.cancel();
    return waiting;
  }
}
