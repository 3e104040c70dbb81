import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { request } from "node:http";
import { connect as connectTo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate, setTimeout } from "node:timers/promises";
import { pino } from "pino";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { WebSocket } from "ws";
import { askRelay } from "../../relay/admin/client.js";
import { httpServer } from "../../relay/server/http.js";
import {
  type RelayServer,
  type RelayServerOptions,
  startRelayServer,
} from "../../relay/server/server.js";
import type { ConversationId } from "../../shared/ids.js";
import { MAX_FRAME_BYTES } from "../../shared/limits.js";
import { CloseCode } from "../../shared/protocol.js";
import { Client, remote } from "./world.js";

const defaults = {
  host: "127.0.0.1",
  port: 0,
  heartbeatMs: 15_000,
  iceServers: [],
  invites: new Map(),
  maxConnections: 100,
  deviceRate: 10_000,
  addressRate: 10_000,
  connectionRate: 10_000,
  registrationRate: 10_000,
  acceptRate: 10_000,
  conversationRate: 10_000,
  addressConnections: 1_000,
  trustProxy: false,
};

let data: string;
let server: RelayServer | undefined;

async function start(options: Partial<RelayServerOptions> = {}): Promise<RelayServer> {
  server = await startRelayServer({ ...defaults, data, ...options }, pino({ level: "silent" }));
  return server;
}
async function stop(): Promise<void> {
  await server?.close();
  server = undefined;
}

beforeEach(async () => {
  data = await mkdtemp(join(tmpdir(), "dovetail-relay-"));
});
afterEach(async () => {
  await stop();
  await rm(data, { recursive: true });
});

const connect = (key?: Client["key"]) => new Client(remote(server?.url ?? ""), key);

async function person(handle: string): Promise<Client> {
  const client = connect();
  await client.register(handle);
  return client;
}

/** What a WebSocket begins with (RFC 6455 §4.1). */
const UPGRADE = [
  "GET / HTTP/1.1",
  "Host: relay",
  "Connection: Upgrade",
  "Upgrade: websocket",
  "Sec-WebSocket-Version: 13",
  "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
  "\r\n",
].join("\r\n");

/** The HTTP status with which an upgrade is refused. */
const refusal = (url: string): Promise<{ status: number; retryAfter: string | undefined }> =>
  new Promise((resolve, reject) => {
    const socket = new WebSocket(url);
    socket.on("unexpected-response", (_request, response) => {
      const retryAfter = response.headers["retry-after"];
      resolve({ status: response.statusCode ?? 0, retryAfter });
    });
    socket.on("open", () => reject(new Error("it was taken")));
    socket.on("error", () => {});
  });

describe("a relay on a port", () => {
  it("reads what comes behind the request for a WebSocket, with it or while it is looked at", async () => {
    const { port } = await start();
    // A ping without content, masked with zeros (RFC 6455 §5.2).
    const ping = Buffer.of(0x89, 0x80, 0, 0, 0, 0);
    const socket = connectTo(port, "127.0.0.1").setNoDelay();
    socket.write(Buffer.concat([Buffer.from(UPGRADE), ping]));
    for (let turn = 0; turn < 6; turn++) {
      await setImmediate();
      socket.write(ping);
    }
    let answer = Buffer.alloc(0);
    for await (const chunk of socket) {
      answer = Buffer.concat([answer, chunk as Buffer]);
      if (answer.subarray(-2 * 7).equals(Buffer.from("8a00".repeat(7), "hex"))) break;
    }
    expect(String(answer)).toMatch(/^HTTP\/1.1 101 /);
  });

  it("keeps its data and its name between starts", async () => {
    await start();
    const alice = await person("alice");
    const notes = await alice.open(alice.userId);
    await alice.append(notes, 1, ["kept"]);
    const name = alice.all("challenge")[0]?.relay;
    await stop();
    expect(await alice.closed()).toBe(CloseCode.restart);
    await start();
    const again = connect(alice.key);
    await again.authenticate();
    expect(await again.log(notes)).toEqual(["kept"]);
    expect(again.all("challenge")[0]?.relay).toBe(name);
  });

  it("tells operators how it is", async () => {
    const { http } = await start();
    const alice = await person("alice");
    await alice.append(await alice.open(alice.userId), 1, ["1", "2"]);
    expect(await (await fetch(`${http}/healthz`)).json()).toEqual({ status: "ok" });
    expect((await fetch(`${http}/readyz`)).status).toBe(200);
    const metrics = await (await fetch(`${http}/metrics`)).text();
    for (const line of [
      "dovetail_appended_total 2",
      "dovetail_append_requests_total 1",
      "dovetail_connections 1",
      "dovetail_users 1",
      "dovetail_commit_entries_sum 2",
      "process_cpu_seconds_total",
    ]) {
      expect(metrics).toContain(line);
    }
  });

  it("takes no more connections of one address than it may have, until one ends", async () => {
    const { url } = await start({ addressConnections: 1 });
    const opened = async () => {
      const socket = new WebSocket(url);
      await new Promise((resolve, reject) => socket.once("open", resolve).once("error", reject));
      return socket;
    };
    const first = await opened();
    expect(await refusal(url)).toEqual({ status: 429, retryAfter: "5" });
    first.terminate();
    (await vi.waitFor(opened)).terminate();
  });

  it("hands out the ICE servers it was given", async () => {
    const iceServers = [{ urls: ["stun:stun.example.org"], username: null, credential: null }];
    await start({ iceServers });
    expect((await person("alice")).all("welcome")[0]?.iceServers).toEqual(iceServers);
  });

  it("hands out credentials of the TURN server that shares a secret with it, to each user their own", async () => {
    const turn = { urls: ["turn:turn.example.org:3478"], secret: "north" };
    await start({ turn });
    const [alice, bob] = [await person("alice"), await person("bob")];
    const [ice] = alice.all("welcome")[0]?.iceServers ?? [];
    expect(ice?.urls).toEqual(turn.urls);
    const [expiry, user] = ice?.username?.split(":") ?? [];
    expect(user).toBe(alice.userId);
    expect(Number(expiry) * 1_000).toBeGreaterThan(Date.now());
    expect(bob.all("welcome")[0]?.iceServers[0]?.credential).not.toBe(ice?.credential);
  });

  it("takes no connections any more while an operator drains it, and says when all are gone", async () => {
    const { url, http, drained } = await start();
    const alice = await person("alice");
    await askRelay(data, "drain", { withinMs: 300 });
    expect((await fetch(`${http}/readyz`)).status).toBe(503);
    expect(await refusal(url)).toEqual({ status: 503, retryAfter: "5" });
    expect(await askRelay(data, "status", {})).toMatchObject({
      ready: false,
      nodes: [{ summary: { draining: true, connections: 1 } }],
    });
    await drained;
    expect(await alice.closed()).toBe(CloseCode.restart);
    expect(alice.all("error").at(-1)?.code).toBe("shutting_down");
  });

  it("takes nobody from its first moment on where it is told to drain before that", async () => {
    const asked: number[] = [];
    const told = Promise.resolve(0);
    const drain = { told, askAll: (withinMs: number) => void asked.push(withinMs) };
    const { url, drained } = await start({ drain });
    expect(await refusal(url)).toMatchObject({ status: 503 });
    await drained;
    // An operator's command is for all, and is told by whoever has them.
    await askRelay(data, "drain", { withinMs: 7 });
    expect(asked).toEqual([7]);
  });

  it("ends a connection that sends text or too much, and goes on", async () => {
    await start();
    const texting = connect();
    texting.session.receiveForeign();
    expect(await texting.closed()).toBe(CloseCode.protocol);
    const large = connect();
    large.session.receive(new Uint8Array(MAX_FRAME_BYTES + 1));
    expect(await large.closed()).toBe(CloseCode.protocol);
    expect(large.all("error")[0]?.code).toBe("frame_too_large");
    const huge = connect();
    huge.session.receive(new Uint8Array(3 * MAX_FRAME_BYTES));
    // RFC 6455 §7.4.1: the message is too big, said before all of it has come.
    expect(await huge.closed()).toBe(1009);
    await person("alice");
  });

  it("hangs up on whoever it refuses, also where they never do", async () => {
    const { port } = await start();
    const socket = connectTo({ port, host: "127.0.0.1", allowHalfOpen: true });
    const upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nHost: relay\r\n\r\n";
    socket.write(`GET /elsewhere HTTP/1.1\r\n${upgrade}`);
    const [answer] = await once(socket, "data");
    expect(String(answer)).toMatch(/^HTTP\/1.1 404 /);
    // What comes for a socket that is closed is answered with its end.
    socket.on("error", () => {});
    const talking = setInterval(() => socket.write("."), 20);
    await new Promise((resolve) => socket.once("close", resolve));
    clearInterval(talking);
  });

  it("gives whoever connects ten seconds to say what they want", async () => {
    const app = httpServer(
      () => true,
      async () => "",
      null,
      100,
    );
    expect(app.server.headersTimeout).toBe(10_000);
    expect(app.server.requestTimeout).toBe(10_000);
    expect(app.server.maxConnections).toBe(1_124);
    await app.close();
  });

  it("survives requests that are none", async () => {
    const { http, url } = await start();
    expect(await refusal(`${url}/elsewhere`)).toMatchObject({ status: 404 });
    await new Promise<void>((resolve) => {
      const odd = request(`${http}`, {
        path: "//",
        headers: { Connection: "Upgrade", Upgrade: "websocket" },
      });
      odd.on("response", () => resolve()).on("error", () => resolve());
      odd.end();
    });
    await person("alice");
  });

  it("has the folder for itself", async () => {
    await start();
    const second = startRelayServer({ ...defaults, data }, pino({ level: "silent" }));
    await expect(second).rejects.toMatchObject({ code: "profile_in_use" });
  });
});

describe("limits", () => {
  it("of requests hold for a device and say when to try again", async () => {
    await start({ deviceRate: 1 });
    const alice = await person("alice");
    const bob = await person("bob");
    const search = (client: Client) => client.ask({ type: "searchUsers", prefix: "a", limit: 1 });
    const answers = await Promise.all(Array.from({ length: 10 }, () => search(alice)));
    const refused = answers.find((answer) => answer.type === "error");
    expect(refused).toMatchObject({ code: "rate_limited", retryAfterMs: expect.any(Number) });
    expect((await search(bob)).type).toBe("people");
  });

  it("of registrations hold for an address", async () => {
    await start({ registrationRate: 1 });
    await person("alice");
    const late = connect();
    late.sendRegister(await late.challenge(), "bob");
    expect(await late.got("error")).toMatchObject({ code: "rate_limited" });
  });

  it("of conversations hold for a device, and spare those that it has", async () => {
    await start({ conversationRate: 2 });
    const alice = await person("alice");
    const others = [await person("bob"), await person("carol"), await person("dave")];
    const answers = [];
    for (const { userId } of others) {
      answers.push(await alice.ask({ type: "openConversation", userId }));
    }
    expect(answers.map(({ type }) => type)).toEqual(["opened", "opened", "error"]);
    expect(answers[2]).toMatchObject({ code: "rate_limited", retryAfterMs: expect.any(Number) });
    const [first] = answers;
    const talk = first?.type === "opened" ? first.conversation.conversationId : null;
    expect(await alice.append(talk as ConversationId, 1, ["still here"])).toMatchObject({
      type: "appended",
    });
  });

  it("of frames hold an address back and lose nothing", async () => {
    await start({ addressRate: 10 });
    const alice = await person("alice");
    const answers = Array.from({ length: 45 }, (_, i) =>
      alice.ask({ type: "searchUsers", prefix: `a${i}`, limit: 1 }),
    );
    for (const answer of await Promise.all(answers)) expect(answer.type).toBe("people");
  });

  it("of connections and of their number refuse the upgrade", async () => {
    const { url } = await start({ connectionRate: 1 });
    for (let i = 0; i < 4; i++) await connect().challenge();
    expect(await refusal(url)).toEqual({ status: 429, retryAfter: "1" });
    await stop();
    const full = await start({ maxConnections: 1 });
    await connect().challenge();
    expect(await refusal(full.url)).toMatchObject({ status: 503 });
    const metrics = await (await fetch(`${full.http}/metrics`)).text();
    expect(metrics).toContain("dovetail_full_total 1");
  });

  it("of those who are taken in a while are not used up by who has hung up before", async () => {
    // One at a time.
    const { url, port } = await start({ acceptRate: 4 });
    const many = `
      for (let i = 0; i < 10; i++) {
        require("node:net").connect(${port}, "127.0.0.1").resume().end(${JSON.stringify(UPGRADE)});
      }
      setTimeout(() => process.exit(), 200);
    `;
    // This process, and so the relay in it, stands still until they have gone.
    execFileSync(process.execPath, ["-e", many]);
    await setTimeout(100);
    const socket = new WebSocket(url);
    await once(socket, "open");
    socket.terminate();
  });

  it("of connections leave half of them to those who say who they are", async () => {
    const { url } = await start({ maxConnections: 4 });
    await person("alice");
    for (let i = 0; i < 2; i++) await connect().challenge();
    expect(await refusal(url)).toEqual({ status: 503, retryAfter: "1" });
  });
});
