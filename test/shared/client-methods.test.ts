import { describe, expect, it } from "vitest";
import { isMethod, methods } from "../../shared/client-methods.js";
import { MAX_TEXT_BYTES } from "../../shared/limits.js";

const conversationId = "c".repeat(32);
const messageId = `${conversationId}.${"d".repeat(32)}.7`;

const accepts = (method: string, params: unknown): boolean => {
  if (!isMethod(method)) throw new Error(`no method ${method}`);
  return methods[method].params.safeParse(params).success;
};

describe("parameters of the client API", () => {
  it.each([
    ["account.register", { handle: "alice", displayName: "Alice" }],
    ["users.search", { prefix: "al" }],
    ["conversations.open", { handle: "bob" }],
    ["conversations.get", { conversationId }],
    ["conversations.markRead", { conversationId, messageId }],
    ["messages.send", { conversationId, text: "x".repeat(MAX_TEXT_BYTES) }],
    ["messages.list", { conversationId, before: messageId, limit: 500 }],
    ["presence.get", { handles: Array(64).fill("bob") }],
    ["settings.set", { directEnabled: false, theme: "dark" }],
  ])("%s takes what it is for", (method, params) => {
    expect(accepts(method, params)).toBe(true);
    // A misspelt parameter is not silently without effect.
    expect(accepts(method, { ...params, surplus: 1 })).toBe(false);
  });

  it.each([
    ["account.register", { handle: "1alice", displayName: "Alice" }],
    ["account.register", { handle: "al", displayName: "Alice" }],
    ["account.register", { handle: "alice", displayName: "   " }],
    ["account.register", { handle: "alice", displayName: "é".repeat(129) }],
    ["account.register", { handle: "alice" }],
    ["users.search", { prefix: "al", limit: 0 }],
    ["users.search", { prefix: "al", limit: 51 }],
    ["conversations.open", { handle: "bob/../x" }],
    ["conversations.get", { conversationId: conversationId.toUpperCase() }],
    ["conversations.markRead", { conversationId, messageId: conversationId }],
    ["messages.send", { conversationId, text: " \n" }],
    ["messages.send", { conversationId, text: "x".repeat(MAX_TEXT_BYTES + 1) }],
    ["messages.send", { conversationId, text: "é".repeat(MAX_TEXT_BYTES / 2 + 1) }],
    ["messages.send", { conversationId, text: 7 }],
    ["messages.list", { conversationId, before: messageId, after: messageId }],
    ["messages.list", { conversationId, limit: 501 }],
    ["messages.list", { conversationId, limit: 1.5 }],
    ["presence.get", { handles: Array(65).fill("bob") }],
    ["typing.set", { conversationId, active: "yes" }],
    ["settings.set", { theme: "blue" }],
  ])("%s refuses %j", (method, params) => {
    expect(accepts(method, params)).toBe(false);
    expect(accepts(method, null)).toBe(false);
  });

  it("a handle is taken as people write it", () => {
    expect(methods["conversations.open"].params.parse({ handle: " @Bob " })).toEqual({
      handle: "bob",
    });
  });

  it.each(["__proto__", "constructor", "messages.sends", "", 7, null])(
    "%j is no method",
    (name) => {
      expect(isMethod(name)).toBe(false);
    },
  );
});
