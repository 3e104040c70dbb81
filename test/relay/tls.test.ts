import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { get } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text as streamText } from "node:stream/consumers";
import { connect, type PeerCertificate } from "node:tls";
import { pino } from "pino";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import { readOptions } from "../../relay/options.js";
import { type RelayServer, startRelayServer } from "../../relay/server/server.js";
import { hasOpenssl, issue as issuePair } from "./certificates.js";

let folder: string;
let server: RelayServer | undefined;
const file = (name: string): string => join(folder, name);

/** A pair for that name, in the files that the relay was told of. */
const issue = (name: string, more: readonly string[] = []) =>
  issuePair(name, { cert: file("cert.pem"), key: file("key.pem") }, more);

async function start(): Promise<RelayServer> {
  const files = ["--tls-cert", file("cert.pem"), "--tls-key", file("key.pem")];
  const options = readOptions(["--port", "0", "--data", file("data"), ...files], {}, () => {});
  if (!options) throw new Error("no options");
  server = await startRelayServer(options, pino({ level: "silent" }));
  return server;
}

const shownUntil = async (relay: RelayServer): Promise<number> => {
  const text = await new Promise<string>((resolve, reject) => {
    get(`${relay.http}/metrics`, { rejectUnauthorized: false }, (response) => {
      resolve(streamText(response));
    }).on("error", reject);
  });
  return Number(/^dovetail_certificate_end_seconds (\S+)$/m.exec(text)?.[1]);
};

/** Whom the relay says to be to those who come now. */
const nameShown = ({ port }: RelayServer): Promise<string> =>
  new Promise((resolve, reject) => {
    const socket = connect({ port, host: "127.0.0.1", rejectUnauthorized: false }, () => {
      const certificate: PeerCertificate = socket.getPeerCertificate();
      socket.destroy();
      resolve(String(certificate.subject.CN));
    });
    socket.on("error", reject);
  });

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "dovetail-tls-"));
});
afterEach(async () => {
  await server?.close();
  server = undefined;
  await rm(folder, { recursive: true });
});

describe.skipIf(!hasOpenssl)("a relay that does TLS itself", () => {
  it("is spoken to by wss:, and takes a renewed certificate without dropping anybody", async () => {
    issue("first.example");
    const relay = await start();
    expect(relay.url).toBe(`wss://127.0.0.1:${relay.port}`);
    const socket = new WebSocket(relay.url, { rejectUnauthorized: false });
    await new Promise((resolve, reject) => socket.once("open", resolve).once("error", reject));
    expect(await nameShown(relay)).toBe("first.example");
    const until = await shownUntil(relay);
    expect(until).toBeCloseTo(Date.now() / 1_000 + 86_400, -2);
    issue("second.example", ["-days", "30"]);
    relay.renew();
    expect(await nameShown(relay)).toBe("second.example");
    expect((await shownUntil(relay)) - until).toBeGreaterThan(28 * 86_400);
    expect(socket.readyState).toBe(WebSocket.OPEN);
    socket.terminate();
  });

  it("keeps the certificate that it has where the new one is no good", async () => {
    issue("good.example");
    const relay = await start();
    await writeFile(file("cert.pem"), "not a certificate");
    relay.renew();
    expect(await nameShown(relay)).toBe("good.example");
  });

  it("does not start with a key of another certificate, and says which files do not fit", async () => {
    issue("one.example");
    const cert = await readFile(file("cert.pem"));
    issue("other.example");
    await writeFile(file("cert.pem"), cert);
    await expect(start()).rejects.toThrow(
      /cert\.pem and .*key\.pem are no certificate with its key/,
    );
  });
});

it("does not start without the files that it was told of", async () => {
  await expect(start()).rejects.toThrow(/cert\.pem cannot be read/);
});
