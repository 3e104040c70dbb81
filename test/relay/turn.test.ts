import { expect, it } from "vitest";
import { turnServer } from "../../relay/server/turn.js";
import type { UserId } from "../../shared/ids.js";

it("makes the credentials that coturn expects, for two days", () => {
  const turn = { urls: ["turn:turn.example.org:3478"], secret: "north" };
  // printf %s 1800172800:a0a0 | openssl dgst -sha1 -hmac north -binary | base64
  expect(turnServer(turn, "a0a0" as UserId, 1_800_000_000_999)).toEqual({
    urls: turn.urls,
    username: "1800172800:a0a0",
    credential: "jcUsk8YHa7a4CI8ufT/AwNVSZOU=",
  });
});
