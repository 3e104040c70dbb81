import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  type Loaded,
  MAX_LOADED,
  nothingLoaded,
  PAGE,
  withAround,
  withMessage,
  withNewer,
  withNewest,
  withOlder,
  withoutMessage,
} from "../../renderer/src/history/loaded.js";
import type { Message } from "../../shared/client-api.js";
import { compareMessages } from "../../shared/message-order.js";
import { message } from "./message.js";

const none = new Map<string, Message>();
const log = (length: number) => Array.from({ length }, (_, i) => message(i + 1));
const seqs = (loaded: Loaded) => loaded.messages.map(({ seq }) => seq);

describe("the loaded stretch of a history", () => {
  it("knows that a short first page is everything", () => {
    const loaded = withNewest(log(3), PAGE, none);
    expect(loaded).toMatchObject({ atStart: true, atEnd: true });
    expect(seqs(loaded)).toEqual([1, 2, 3]);
  });

  it("grows at both ends of a page about a message until nothing is missing", () => {
    const all = log(350);
    let loaded = withAround(all.slice(150, 250), none);
    expect(loaded).toMatchObject({ atStart: false, atEnd: false });
    while (!loaded.atStart) {
      const before = all.indexOf(loaded.messages[0] as Message);
      loaded = withOlder(loaded, all.slice(Math.max(0, before - PAGE), before), PAGE, none);
    }
    while (!loaded.atEnd) {
      const after = all.indexOf(loaded.messages.at(-1) as Message) + 1;
      loaded = withNewer(loaded, all.slice(after, after + PAGE), PAGE, none);
    }
    expect(loaded.messages).toEqual(all);
  });

  it("lets a message go, and takes no notice of one that it does not have", () => {
    const loaded = withNewest(log(3), PAGE, none);
    const { messageId } = message(2);
    const without = withoutMessage(loaded, messageId);
    expect(seqs(without)).toEqual([1, 3]);
    expect(without).toMatchObject({ atStart: true, atEnd: true });
    expect(withoutMessage(without, messageId)).toBe(without);
  });

  it("stays bounded and without holes however far one pages either way", () => {
    const all = log(2_500);
    let loaded = withNewest(all.slice(-PAGE), PAGE, none);
    while (!loaded.atStart) {
      const before = all.indexOf(loaded.messages[0] as Message);
      loaded = withOlder(loaded, all.slice(Math.max(0, before - PAGE), before), PAGE, none);
      expect(loaded.messages.length).toBeLessThanOrEqual(MAX_LOADED);
    }
    expect(loaded.messages[0]?.seq).toBe(1);
    expect(loaded.atEnd).toBe(false);
    while (!loaded.atEnd) {
      const after = all.indexOf(loaded.messages.at(-1) as Message) + 1;
      loaded = withNewer(loaded, all.slice(after, after + PAGE), PAGE, none);
      const first = loaded.messages[0]?.seq ?? 0;
      expect(seqs(loaded)).toEqual(loaded.messages.map((_, i) => first + i));
    }
    expect(loaded.messages.at(-1)?.seq).toBe(2_500);
    expect(loaded.atStart).toBe(false);
  });

  it("takes what events told over an older page, and joins what came meanwhile at the end", () => {
    const read = message(2, { state: "read" });
    const fresh = message(4);
    const told = new Map([read, fresh].map((m) => [m.messageId as string, m]));
    const loaded = withNewest(log(3), PAGE, told);
    expect(seqs(loaded)).toEqual([1, 2, 3, 4]);
    expect(loaded.messages[1]?.state).toBe("read");
  });

  it("does not let an update about an old message open a hole", () => {
    const old = message(5, { state: "read" });
    const page = log(300).slice(200);
    const loaded = withNewest(page, PAGE, new Map([[old.messageId as string, old]]));
    expect(loaded.messages[0]?.seq).toBe(201);
  });

  it("moves a message when its seq arrives", () => {
    const mine = message(9, { seq: null, clock: "5" });
    let loaded = withNewest(log(3), PAGE, none);
    loaded = withMessage(loaded, mine, true);
    loaded = withMessage(loaded, message(10, { seq: 4 }), true);
    expect(loaded.messages.at(-1)).toBe(mine);
    loaded = withMessage(loaded, { ...mine, seq: 4 }, true);
    loaded = withMessage(loaded, message(10, { seq: 5 }), true);
    expect(seqs(loaded)).toEqual([1, 2, 3, 4, 5]);
  });

  it("leaves what is newer alone while the newest is not loaded", () => {
    const loaded: Loaded = { messages: log(5), atStart: true, atEnd: false };
    expect(withMessage(loaded, message(900), true)).toBe(loaded);
  });

  it("drops the start only when told that nobody is looking there", () => {
    const loaded: Loaded = { messages: log(MAX_LOADED), atStart: true, atEnd: true };
    const next = message(MAX_LOADED + 1);
    expect(withMessage(loaded, next, false).messages[0]?.seq).toBe(1);
    expect(withMessage(loaded, next, true)).toMatchObject({ atStart: false, atEnd: true });
    expect(withMessage(loaded, next, true).messages[0]?.seq).toBe(2);
  });

  it("ends in the one order whatever the order of arrival", () => {
    const arrivals = fc.shuffledSubarray(
      Array.from({ length: 30 }, (_, i) => message(i + 1, i % 4 === 0 ? { seq: null } : {})),
      { minLength: 1 },
    );
    fc.assert(
      fc.property(arrivals, (messages) => {
        const start: Loaded = { ...nothingLoaded, atStart: true, atEnd: true };
        const loaded = messages.reduce((so, m) => withMessage(so, m, true), start);
        expect(loaded.messages).toEqual([...messages].sort(compareMessages));
      }),
    );
  });
});
