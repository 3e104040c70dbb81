/** A relay of several nodes is found under several addresses. */
import { expect, test } from "vitest";
import { RelayAddresses } from "../../electron/client/relay-addresses.js";
import { Stage } from "./stage.js";

const GIVEN = "ws://stage/";
const [NORTH, SOUTH] = ["ws://north/", "wss://south/"];

/** Ends the connection and waits until the next one is tried; tells where. */
async function next(stage: Stage): Promise<string> {
  const { dialled } = stage;
  await stage.hangUp();
  while (stage.dialled === dialled) await stage.clock.pass(100);
  return stage.dialledUrl;
}

async function knowing(addresses: string[]): Promise<Stage> {
  const stage = await Stage.withTalk();
  stage.addresses = addresses;
  await stage.hangUp();
  await stage.clock.pass(1_000);
  await stage.challenge();
  await stage.welcome();
  return stage;
}

test("all of them are tried before one is tried again", async () => {
  const stage = await knowing([NORTH, SOUTH]);
  const tried = [await next(stage), await next(stage)];
  expect(new Set([...tried, GIVEN])).toEqual(new Set([GIVEN, NORTH, SOUTH]));
  const again = [await next(stage), await next(stage), await next(stage)];
  expect(new Set(again)).toEqual(new Set([GIVEN, NORTH, SOUTH]));
});

test("they are known after a restart, and those that the relay tells later are used instead", async () => {
  const stage = await knowing([NORTH]);
  await stage.client.close();
  await stage.start();
  expect(stage.dialledUrl).not.toBe("");
  const before = [stage.dialledUrl, await next(stage)];
  expect(before.sort()).toEqual([NORTH, GIVEN].sort());
  await stage.challenge();
  await stage.welcome();
  await stage.tell({ type: "servers", iceServers: [], addresses: [SOUTH] });
  const tried = [await next(stage), await next(stage), await next(stage)];
  expect(tried).toContain(SOUTH);
  expect(tried).not.toContain(NORTH);
});

test("another relay at an address that was told is no reason to give up, nor to ask there again", async () => {
  const stage = await knowing([NORTH]);
  while (stage.dialledUrl !== NORTH) await next(stage);
  await stage.challenge("somebody else's");
  expect((await stage.client.call("connection.get", {})).error).toBe("relay_unreachable");
  const tried = [await next(stage), await next(stage), await next(stage)];
  expect(tried).toEqual([GIVEN, GIVEN, GIVEN]);
});

test("who is to come privately is never sent where everybody may read, nor to what is no address", () => {
  const addresses = new RelayAddresses("wss://given/", {
    bytes: (count) => new Uint8Array(count),
    fraction: () => 0,
  });
  addresses.learn(["ws://open/", "wss://private/", "http://page/", "wss://", "", "private"]);
  addresses.failed("wss://given/");
  expect(addresses.next()).toBe("wss://private/");
  addresses.failed("wss://private/");
  expect(addresses.next()).toBe("wss://given/");
});
