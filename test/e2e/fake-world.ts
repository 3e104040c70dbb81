/** What the parts of the host made up in the page know of each other. */
import type { Account } from "../../shared/client-api.js";

/** A message that a part of the fake may change. */
export type FakeMessage = {
  messageId: string;
  seq: number | null;
  mine: boolean;
  state: string;
} & {
  [field: string]: unknown;
};

/** A conversation as the parts of the fake see it. */
export interface FakeLog {
  readonly id: string;
  readonly kind: string;
  readonly peer: { readonly handle?: string | undefined } | null;
  readonly removed: Set<number>;
  readonly length: number;
  readonly added: FakeMessage[];
  settings: Record<string, unknown>;
  at(index: number): FakeMessage;
  make(index: number, mine: boolean, text: string): FakeMessage;
  summary(): Record<string, unknown>;
}

export interface FakeWorld {
  readonly own: Account;
  readonly people: readonly {
    readonly userId: string;
    readonly handle?: string | undefined;
    readonly displayName?: string | undefined;
  }[];
  readonly logs: FakeLog[];
  readonly answers: Record<string, (params: never) => unknown>;
  find(id: unknown): FakeLog;
  /** A conversation that was not there before. */
  open(kind: "group", generated: number): FakeLog;
  /** A message's conversation and its place there. */
  findMessage(id: unknown): readonly [FakeLog, number];
  update(log: FakeLog, index: number, change: Record<string, unknown>): void;
  add(log: FakeLog, message: FakeMessage): void;
  tell(event: string, data: unknown): void;
  later(action: () => void, ms: number): void;
  mentionsIn(text: string): readonly unknown[];
}

declare global {
  interface Window {
    /** For the parts of the fake that stand in files of their own. */
    readonly fakeWorld: FakeWorld;
  }
}
