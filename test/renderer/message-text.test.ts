import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { emojiName, emojis, findEmojis, QUICK } from "../../renderer/src/text/emoji.js";
import { matchingMembers, mentionQuery, withMention } from "../../renderer/src/text/mentions.js";
import { messageLink, textPieces } from "../../renderer/src/text/message-text.js";
import {
  previewWords,
  reactionWords,
  remainingWords,
} from "../../renderer/src/text/message-words.js";
import type { UserSummary } from "../../shared/client-api.js";
import { methods } from "../../shared/client-methods.js";
import type { UserId } from "../../shared/ids.js";
import { message } from "./message.js";

const person = (handle: string, displayName: string): UserSummary => ({
  userId: handle.padEnd(32, "0") as UserId,
  handle,
  displayName,
});
const alice = person("alice", "Alice Liddell");
const bob = person("bob", "Bob Builder");
const { messageId } = message(7);
const pieces = (text: string, query = "") => textPieces({ text, mentions: [alice] }, query);

describe("a message's text in pieces", () => {
  it("gives the text again, whatever is in it", () => {
    const word = fc.oneof(
      fc.string({ unit: "grapheme" }),
      fc.constantFrom(
        "@alice",
        "@bob",
        messageLink(messageId),
        "https://example.org/a",
        " ",
        "(*)",
      ),
    );
    fc.assert(
      fc.property(fc.array(word), fc.string(), (words, query) => {
        const text = words.join("");
        const joined = pieces(text, query).map((piece) => piece.text);
        expect(joined.join("")).toBe(text);
      }),
    );
  });

  it("names only those whom the message names, as whole words", () => {
    const mentions = pieces("@alice @bob @alice2 hi@alice (@Alice)").flatMap(
      ({ mention }) => mention ?? [],
    );
    expect(mentions).toEqual(["alice", "alice"]);
  });

  it("takes a link to a message, and no part of a longer number", () => {
    const link = messageLink(messageId);
    expect(pieces(`see ${link}.`)).toContainEqual({ text: link, messageId });
    expect(pieces(`${link}${"0".repeat(20)}`).some((piece) => piece.messageId)).toBe(false);
  });

  it("marks every word that is searched for, also what is special in a pattern", () => {
    const found = pieces("The cat (the one) and them", "the (the them").filter(
      (piece) => piece.found,
    );
    expect(found.map(({ text }) => text)).toEqual(["The", "(the", "them"]);
  });
});

describe("naming somebody", () => {
  it("begins at an @ at the start of a word, up to the caret", () => {
    expect(mentionQuery("hi @Al", 6)).toEqual({ prefix: "al", from: 3 });
    expect(mentionQuery("hi @Al", 4)).toEqual({ prefix: "", from: 3 });
    expect(mentionQuery("mail@al", 7)).toBeNull();
    expect(mentionQuery("hi @al there", 12)).toBeNull();
  });

  it("finds members by handle and by each word of the name", () => {
    expect(matchingMembers([alice, bob], "lid")).toEqual([alice]);
    expect(matchingMembers([alice, bob], "b")).toEqual([bob]);
    expect(matchingMembers([alice, bob], "z")).toEqual([]);
  });

  it("puts the handle there, with one space after it, and the caret behind", () => {
    const query = { prefix: "al", from: 3 };
    expect(withMention("hi @al", query, "alice")).toEqual({ text: "hi @alice ", caret: 10 });
    expect(withMention("hi @al there", query, "alice")).toEqual({
      text: "hi @alice there",
      caret: 10,
    });
  });
});

describe("emoji to react with", () => {
  it("are each one that the contract takes, once, with a name", () => {
    const { params } = methods["messages.react"];
    for (const { emoji, name } of emojis) {
      expect(params.safeParse({ messageId, emoji }).success, name).toBe(true);
      expect(name).not.toBe("");
    }
    expect(new Set(emojis.map(({ emoji }) => emoji)).size).toBe(emojis.length);
    expect(emojis.length).toBeGreaterThan(QUICK);
  });

  it("are found by the start of any of their words", () => {
    expect(findEmojis("rock").map(({ emoji }) => emoji)).toEqual(["🚀"]);
    expect(findEmojis("  ")).toEqual(emojis);
    expect(findEmojis("xyzzy")).toEqual([]);
    expect(emojiName("👍")).toBe("thumbs up");
    expect(emojiName("🦖")).toBe("🦖");
  });
});

describe("what is said about messages", () => {
  it("who reacted, oneself as you, many counted", () => {
    const reaction = { emoji: "👍", by: [bob, alice], mine: true };
    expect(reactionWords(reaction, "bob")).toBe("thumbs up: you and Alice Liddell");
    const by = Array.from({ length: 30 }, (_, i) => person(`p${i}`, `P${i}`));
    expect(reactionWords({ emoji: "👍", by, mine: false }, "bob")).toMatch(/P6 and 23 more$/);
  });

  it("how long it stays, never none while there is some", () => {
    const minutes = (n: number) => remainingWords(n * 60_000, 0);
    expect(minutes(0.1)).toBe("Disappears in 1 minute");
    expect(minutes(90)).toBe("Disappears in 90 minutes");
    expect(minutes(24 * 60)).toBe("Disappears in 24 hours");
    expect(minutes(7 * 24 * 60)).toBe("Disappears in 7 days");
  });

  it("one line for a deleted one and for a notice", () => {
    expect(previewWords(message(1, { deleted: true, text: "" }), "bob")).toBe(
      "This message was deleted",
    );
    const notice = { type: "timer", seconds: 86_400 } as const;
    expect(previewWords(message(1, { notice, text: "" }), "bob")).toContain("24 hours");
  });
});
