import { generateKeyPairSync, sign } from "node:crypto";
import { afterEach, expect, it, vi } from "vitest";
import { nodeClock, nodeCrypto } from "../../shared/node/runtime.js";

afterEach(() => vi.useRealTimers());

it("a timer may be longer than Node's own limit of 2^31 milliseconds", () => {
  vi.useFakeTimers();
  const called = vi.fn();
  const delayMs = 2 ** 31 + 5_000;
  nodeClock.after(delayMs, called);
  const cancelled = nodeClock.after(delayMs, called);
  vi.advanceTimersByTime(2 ** 31);
  expect(called).not.toHaveBeenCalled();
  cancelled.cancel();
  vi.advanceTimersByTime(5_000);
  expect(called).toHaveBeenCalledTimes(1);
});

it("a signature is good for its key and message alone, and a bad key is no fault", () => {
  const { publicKey, privateKey } = generateKeyPairSync("ed25519");
  const key = new Uint8Array(Buffer.from(publicKey.export({ format: "jwk" }).x ?? "", "base64url"));
  const message = Uint8Array.of(1, 2, 3);
  const signature = new Uint8Array(sign(null, message, privateKey));
  expect(nodeCrypto.verify(key, message, signature)).toBe(true);
  expect(nodeCrypto.verify(key, Uint8Array.of(1, 2, 4), signature)).toBe(false);
  for (const bad of [new Uint8Array(32).fill(255), new Uint8Array(31), new Uint8Array(0)]) {
    expect(nodeCrypto.verify(bad, message, signature)).toBe(false);
  }
  expect(nodeCrypto.verify(key, message, new Uint8Array(3))).toBe(false);
});
