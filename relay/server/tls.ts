import { readFileSync } from "node:fs";
import { createSecureContext } from "node:tls";
import { DovetailError } from "../../shared/errors.js";

/** Files in PEM. */
export interface TlsFiles {
  /** The certificate, and after it those that lead to one that clients know. */
  readonly cert: string;
  readonly key: string;
}

export interface TlsPair {
  readonly cert: Buffer;
  readonly key: Buffer;
  readonly minVersion: "TLSv1.2";
}

/** @throws DovetailError `invalid_params` where a file cannot be read, or the two do not belong together. */
export function readTls({ cert, key }: TlsFiles): TlsPair {
  const pair: TlsPair = { cert: read(cert), key: read(key), minVersion: "TLSv1.2" };
  try {
    createSecureContext(pair);
  } catch (cause) {
    const why = (cause as Error).message;
    const message = `${cert} and ${key} are no certificate with its key: ${why}.`;
    throw new DovetailError("invalid_params", message, { cause });
  }
  return pair;
}

function read(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (cause) {
    const message = `${path} cannot be read: ${(cause as Error).message}.`;
    throw new DovetailError("invalid_params", message, { cause });
  }
}
