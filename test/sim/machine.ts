/** What outlives a process: its disk, its clock, and what its user remembers. */
import type { Client } from "../../electron/client/index.js";
import type { Conversation } from "../../shared/client-api.js";
import type { DovetailError } from "../../shared/errors.js";
import type { ConversationId, DeviceId, MessageId, UserId } from "../../shared/ids.js";
import { FakeKeys } from "./fake-crypto.js";
import { type DiskTiming, MemoryDisk } from "./memory-key-value.js";
import type { Life } from "./network.js";
import { MachineClock, type Prng, type VirtualTime } from "./virtual-time.js";

export interface Sent {
  readonly conversationId: ConversationId;
  readonly text: string;
  /** Null while it was not answered; for ever where the process was killed first. */
  messageId: MessageId | null;
  refused: DovetailError | null;
}

export class Machine {
  readonly disk: MemoryDisk;
  readonly clock: MachineClock;
  /** Milliseconds that a write takes at the most. */
  slowestWriteMs = 8;
  life: Life = { alive: false };

  constructor(time: VirtualTime, random: Prng) {
    const timing: DiskTiming = {
      after: (delayMs, callback) => void time.after(delayMs, callback),
      readMs: () => random.fraction(),
      writeMs: () => random.fraction() * this.slowestWriteMs,
    };
    this.disk = new MemoryDisk(timing);
    this.clock = new MachineClock(time, random.between(-60_000, 60_000));
  }
}

/** `leaving` from when its removal is asked for until that is answered. */
export type Standing = "new" | "linked" | "leaving" | "removed";

export class Device extends Machine {
  /** The first device of a user is called as the user is. */
  readonly name: string;
  readonly handle: string;
  readonly keys: FakeKeys;
  readonly sent: Sent[] = [];
  /** Conversations whose opening was acknowledged to it. */
  readonly opened = new Set<ConversationId>();
  /** What its user is in the groups that it was told of. */
  readonly roles = new Map<ConversationId, Conversation["role"]>();
  /** Messages whose reading was. */
  readonly read = new Set<MessageId>();
  /** Own messages that it was told somebody else has. */
  readonly safe = new Set<MessageId>();
  /** Rows that its disk has lost, whether or not they are there again. */
  readonly lost = new Set<string>();
  standing: Standing = "new";
  userId = "" as UserId;
  deviceId = "" as DeviceId;
  client: Client | null = null;

  constructor(handle: string, which: number, time: VirtualTime, random: Prng) {
    super(time, random);
    this.handle = handle;
    this.name = which === 1 ? handle : `${handle}-${which}`;
    this.keys = new FakeKeys(random);
  }
}
