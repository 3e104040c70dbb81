import { once } from "node:events";
import { createInterface } from "node:readline";
import { startCommand, stopChild } from "./children.mjs";

/** A headless host, driven by JSON-RPC 2.0 lines. */
export function startHeadless(profile, relay) {
  const child = startCommand(
    "headless",
    ["--profile", profile, "--relay", relay, "--log-level", "error"],
    ["pipe", "pipe", "inherit"],
  );
  const waiting = new Map();
  const awaited = new Set();
  let lastId = 0;
  createInterface({ input: child.stdout }).on("line", (line) => {
    const { id, result, error, method, params } = JSON.parse(line);
    for (const wait of awaited) if (wait.event === method) wait.see(params);
    const waiter = waiting.get(id);
    waiting.delete(id);
    if (error) waiter?.reject(new Error(error.message));
    else waiter?.resolve(result);
  });
  const ended = once(child, "exit").then(() => {
    for (const { reject } of waiting.values()) reject(new Error("The headless host has ended."));
  });
  return {
    call(method, params) {
      const id = ++lastId;
      child.stdin.write(`${JSON.stringify({ jsonrpc: "2.0", id, method, params })}\n`);
      return new Promise((resolve, reject) => waiting.set(id, { resolve, reject }));
    },
    /** The next notification of that name for which `matches` holds. */
    next(event, matches) {
      return new Promise((resolve) => {
        const wait = {
          event,
          see(params) {
            if (!matches(params)) return;
            awaited.delete(wait);
            resolve(params);
          },
        };
        awaited.add(wait);
      });
    },
    async close() {
      await stopChild(child);
      await ended;
    },
  };
}
