import { stat } from "node:fs/promises";
import { type IncomingMessage, request } from "node:http";
import { dirname, resolve } from "node:path";
import { text } from "node:stream/consumers";
import { DovetailError, isErrorCode } from "../../shared/errors.js";
import {
  type AdminCall,
  type AdminParams,
  type AdminResult,
  adminCalls,
  refusal,
} from "./contract.js";
import { adminSocketPath } from "./socket-path.js";

/** Milliseconds without a sign of life: what takes longer is begun by the relay and asked about again. */
const ANSWER_MS = 30_000;

/**
 * Asks the relay that runs on that data.
 * @throws DovetailError `relay_unreachable` where there is none, or what the relay answers.
 */
export async function askRelay<C extends AdminCall>(
  data: string,
  call: C,
  params: AdminParams<C>,
): Promise<AdminResult<C>> {
  const response = await send(data, "POST", call, JSON.stringify(params));
  const answer = parsed(await text(response));
  if (response.statusCode !== 200) throw refused(response, answer);
  const result = adminCalls[call].result.safeParse(answer);
  if (!result.success) {
    throw new DovetailError("internal", "The relay is of another version than this command.");
  }
  return result.data as AdminResult<C>;
}

/**
 * A backup of the relay that runs on that data, which ends early where something goes wrong.
 * @throws DovetailError as {@link askRelay}.
 */
export async function askBackup(data: string): Promise<AsyncIterable<Uint8Array>> {
  const response = await send(data, "GET", "backup", "");
  if (response.statusCode !== 200) throw refused(response, parsed(await text(response)));
  return response;
}

function refused({ statusCode }: IncomingMessage, answer: unknown): DovetailError {
  const { success, data } = refusal.safeParse(answer);
  return success && isErrorCode(data.code)
    ? new DovetailError(data.code, data.message)
    : new DovetailError("internal", `The relay answered with status ${statusCode}.`);
}

async function send(
  data: string,
  method: string,
  call: string,
  body: string,
): Promise<IncomingMessage> {
  const path = adminSocketPath(data);
  await checkOwner(data, path);
  return new Promise((answered, failed) => {
    const headers = {
      "content-type": "application/json",
      "content-length": Buffer.byteLength(body),
    };
    const asking = request(
      { socketPath: path, method, path: `/${call}`, headers, timeout: ANSWER_MS },
      answered,
    );
    asking.on("timeout", () => asking.destroy(new DovetailError("timeout")));
    asking.on("error", (error) =>
      failed(error instanceof DovetailError ? error : unreachable(data, error)),
    );
    asking.end(body);
  });
}

function parsed(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}

function unreachable(data: string, cause: NodeJS.ErrnoException): DovetailError {
  const folder = resolve(data);
  const why =
    cause.code === "EACCES" || cause.code === "EPERM"
      ? `The relay on the data in ${folder} may be asked by the user that runs it, and by root.`
      : `No relay runs on the data in ${folder}. Is that the folder that it was started with?`;
  return new DovetailError("relay_unreachable", why, { cause });
}

/** In the temporary folder anybody could have put a socket of that name. */
async function checkOwner(data: string, path: string): Promise<void> {
  if (process.platform === "win32" || dirname(path) === resolve(data)) return;
  const [folder, socket] = await Promise.all([stat(data), stat(path)]).catch((cause) => {
    throw unreachable(data, cause);
  });
  if (folder.uid !== socket.uid) {
    throw new DovetailError(
      "not_allowed",
      `${path} belongs to somebody else than the relay's data.`,
    );
  }
}
