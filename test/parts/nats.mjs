/** nats-server (Debian's package of that name) for tests: `startNats()` on a port that is free. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";

const START_MS = 20_000;
const POLL_MS = 50;
const NAME = "nats-server";

/** Where it is; null where it is not installed. */
export function findNats() {
  // Debian puts it where only root looks.
  const folders = [...(process.env.PATH ?? "").split(delimiter), "/usr/sbin"];
  return folders.map((folder) => join(folder, NAME)).find((path) => existsSync(path)) ?? null;
}

/** Below those that the system hands out by itself, so that nobody gets it before it is used. */
const [FIRST_PORT, LAST_PORT] = [20_000, 32_000];

export async function freePort() {
  for (;;) {
    const port = FIRST_PORT + Math.floor(Math.random() * (LAST_PORT - FIRST_PORT));
    const server = createServer().listen(port, "127.0.0.1");
    const isFree = await once(server, "listening").then(
      () => true,
      () => false,
    );
    if (!isFree) continue;
    server.close();
    await once(server, "close");
    return port;
  }
}

async function answers(port) {
  const socket = connect(port, "127.0.0.1");
  try {
    await once(socket, "connect");
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

/** One that hears of others only by the ways that it was told of: none of them may be gone around. */
const clusterOf = ({ port, routes }) => `cluster {
  name: dovetail
  host: 127.0.0.1
  port: ${port}
  advertise: "127.0.0.1:1"
  no_advertise: true
  connect_retries: 1000000
  routes: [${routes.map((route) => `nats://127.0.0.1:${route}`).join(", ")}]
}
`;

const tlsOf = ({ ca, cert, key }) => `tls {
  ca_file: "${ca}"
  cert_file: "${cert}"
  key_file: "${key}"
  verify: true
}
`;

/**
 * `kill()` ends it with SIGKILL, `start()` starts it again, with `more` of its own configuration where
 * that is given, `close()` ends it for good. `routes`: the
 * other servers of one cluster, each on a port of 127.0.0.1, and the port on which they find this one.
 * `tls`: files in PEM; whoever comes has to have a certificate of that authority then.
 * @param {{
 *   maxPayload?: number,
 *   port?: number,
 *   cluster?: { port: number, routes: number[] },
 *   tls?: { ca: string, cert: string, key: string },
 * }} options
 */
export async function startNats({ maxPayload = 8 * 1_048_576, port: wanted, cluster, tls } = {}) {
  const program = findNats();
  if (program === null) throw new Error("nats-server is not installed (Debian: nats-server).");
  const folder = await mkdtemp(join(tmpdir(), "dovetail-nats-"));
  const port = wanted ?? (await freePort());
  const config = join(folder, "nats.conf");
  const alone = `host: 127.0.0.1\nport: ${port}\nmax_payload: ${maxPayload}\n`;
  const settings = [alone, cluster ? clusterOf(cluster) : "", tls ? tlsOf(tls) : ""].join("");
  let child = null;
  const kill = async () => {
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    child.kill("SIGKILL");
    await once(child, "exit");
  };
  const end = () => child?.kill("SIGKILL");
  const start = async (more = "") => {
    await writeFile(config, `${settings}${more}`);
    child = spawn(program, ["-c", config], { stdio: "ignore" });
    for (const deadline = Date.now() + START_MS; !(await answers(port)); ) {
      if (child.exitCode !== null || Date.now() > deadline) throw new Error("NATS did not start");
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
  };
  const close = async () => {
    process.off("exit", end);
    await kill();
    await rm(folder, { recursive: true, force: true });
  };
  process.on("exit", end);
  try {
    await start();
  } catch (error) {
    await close();
    throw error;
  }
  return { url: `127.0.0.1:${port}`, start, kill, close };
}
