import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { handleProblem, normalHandle } from "../../renderer/src/text/handle.js";
import { linkPieces } from "../../renderer/src/text/links.js";
import { dayTitle, lastSeenWords, listTime } from "../../renderer/src/text/time.js";
import { connectionWords, failureWords } from "../../renderer/src/text/words.js";
import type { ConnectionState } from "../../shared/client-api.js";
import { DovetailError } from "../../shared/errors.js";
import type { DeviceId } from "../../shared/ids.js";
import { HANDLE_PATTERN } from "../../shared/ids.js";

const links = (text: string) => linkPieces(text).flatMap(({ href }) => (href ? [href] : []));

describe("links in a message", () => {
  it("leaves the sentence its punctuation and the address its brackets", () => {
    expect(links("See https://example.org/a_(b). Or (http://example.com/x)!")).toEqual([
      "https://example.org/a_(b)",
      "http://example.com/x",
    ]);
  });

  it("knows only http and https, and no disguised host", () => {
    expect(links("javascript:alert(1) data:text/html,x ftp://example.org file:///etc")).toEqual([]);
    expect(links("https://bank.example@evil.example/")).toEqual([]);
    expect(links("https:// and http://")).toEqual([]);
  });

  it("loses no character of the text", () => {
    const part = fc.oneof(fc.string(), fc.constantFrom("https://a.example/", ")", ".", " ", "\n"));
    fc.assert(
      fc.property(fc.array(part), (parts) => {
        const text = parts.join("");
        const pieces = linkPieces(text);
        expect(pieces.map((piece) => piece.text).join("")).toBe(text);
      }),
    );
  });
});

describe("times in words", () => {
  const now = new Date(2026, 10, 23, 0, 30).getTime();
  const MINUTE = 60_000;

  it("goes by the calendar, not by 24 hours", () => {
    expect(dayTitle(now - 10 * MINUTE, now)).toBe("Today");
    expect(dayTitle(now - 40 * MINUTE, now)).toBe("Yesterday");
    expect(listTime(now - 40 * MINUTE, now)).toBe("Yesterday");
  });

  it("names the year only when it is another one", () => {
    expect(dayTitle(new Date(2026, 1, 3).getTime(), now)).not.toContain("2026");
    expect(dayTitle(new Date(2025, 1, 3).getTime(), now)).toContain("2025");
  });

  it("says when somebody was last seen", () => {
    expect(lastSeenWords(now - 5_000, now)).toBe("last seen just now");
    expect(lastSeenWords(now - 7 * MINUTE, now)).toBe("last seen 7 min ago");
    expect(lastSeenWords(now - 90 * MINUTE, now)).toMatch(/^last seen yesterday at /);
    expect(lastSeenWords(now - 9 * 24 * 60 * MINUTE, now)).toContain("14");
  });
});

describe("the connection in words", () => {
  const channel = { handle: "alice", deviceId: "d".repeat(32) as DeviceId };
  const base: ConnectionState = {
    relay: "connected",
    relayUrl: "ws://relay.example",
    retryAt: null,
    error: null,
    direct: [],
  };

  it("counts down, and offers not to wait", () => {
    const words = connectionWords({ ...base, relay: "reconnecting", retryAt: 5_001 }, 1_000);
    expect(words).toEqual({ kind: "reconnecting", text: "Reconnecting in 5 s", retry: true });
  });

  it("says direct only while the relay is away and a channel is open", () => {
    const direct = [{ ...channel, state: "open" as const }];
    const away = connectionWords({ ...base, relay: "reconnecting", retryAt: 3_000, direct }, 0);
    expect(away).toMatchObject({ kind: "direct", text: "Direct only (1) · relay in 3 s" });
    const opening = [{ ...channel, state: "connecting" as const }];
    expect(connectionWords({ ...base, relay: "connecting", direct: opening }, 0).kind).toBe(
      "connecting",
    );
    expect(connectionWords({ ...base, direct }, 0).text).toBe("Connected · 1 direct");
  });

  it("does not claim to be connected without an account", () => {
    expect(connectionWords({ ...base, relay: "offline" }, 0).kind).toBe("offline");
  });
});

describe("a handle being typed", () => {
  it("has a problem in words exactly when the contract would refuse it", () => {
    const typed = fc.oneof(fc.string(), fc.stringMatching(/^@?[a-zA-Z0-9_ é]{0,40}$/));
    fc.assert(
      fc.property(typed, (text) => {
        const handle = normalHandle(text);
        expect(handleProblem(handle) === null).toBe(HANDLE_PATTERN.test(handle));
      }),
    );
  });

  it("names the character that does not belong", () => {
    expect(handleProblem("al!ce")).toContain("“!”");
    expect(handleProblem("al ice")).toContain("space");
    expect(handleProblem("ab")).toContain("1 more");
  });
});

describe("failures in words", () => {
  it("says when trying again makes sense", () => {
    const limited = new DovetailError("rate_limited", "Too many requests.", {
      retryAfterMs: 4_200,
    });
    expect(failureWords(limited)).toBe("Too many requests. Try again in 5 s.");
  });

  it("says what to do where others changed the same at the same moment", () => {
    expect(failureWords(new DovetailError("stale_epoch"))).toBe(
      "Others kept changing this group at the same moment. Try again.",
    );
  });

  it("keeps the sentence of a failure that it has none for", () => {
    expect(failureWords(new Error("out of the blue"))).toBe("out of the blue");
  });
});
