import { createECDH } from "node:crypto";
import { afterEach, expect, it, vi } from "vitest";
import { vapidKeys } from "../../../relay/commands/vapid-keys.js";

let out = "";
afterEach(() => {
  vi.restoreAllMocks();
  out = "";
});

async function run(...args: string[]): Promise<number> {
  vi.spyOn(process.stderr, "write").mockReturnValue(true);
  vi.spyOn(process.stdout, "write").mockImplementation((text) => {
    out += text;
    return true;
  });
  return vapidKeys(args);
}

it("makes a pair as RFC 8292 has it, another one each time", async () => {
  expect(await run("--json")).toBe(0);
  expect(await run("--json")).toBe(0);
  const pairs = out
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as { publicKey: string; privateKey: string });
  expect(pairs).toHaveLength(2);
  for (const { publicKey, privateKey } of pairs) {
    expect(publicKey).toMatch(/^B[A-Za-z0-9_-]{86}$/);
    const curve = createECDH("prime256v1");
    curve.setPrivateKey(privateKey, "base64url");
    expect(curve.getPublicKey("base64url")).toBe(publicKey);
  }
  expect(pairs[0]?.publicKey).not.toBe(pairs[1]?.publicKey);
});

it("shows people which is which, and takes nothing else", async () => {
  expect(await run()).toBe(0);
  expect(out).toMatch(/^public key {3}B\S+\nprivate key {2}\S{43}\n$/);
  expect(await run("surprise")).toBe(2);
});
