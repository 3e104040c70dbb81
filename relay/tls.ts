/** The files with which a relay is known to its clients, and knows the services that it uses (RFC 8446). */
import { X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { createSecureContext } from "node:tls";
import { DovetailError } from "../shared/errors.js";

const MIN_VERSION = "TLSv1.2";

/** Files in PEM. */
export interface TlsFiles {
  /** The certificate, and after it those that lead to one that the other side knows. */
  readonly cert: string;
  readonly key: string;
}

export interface TlsPair {
  readonly cert: Buffer;
  readonly key: Buffer;
  readonly minVersion: typeof MIN_VERSION;
}

/** For connections to a service. Files in PEM. */
export interface TlsClientFiles {
  /** The certificates of those who sign the service's. */
  readonly ca: string;
  /** Where the service asks who comes. */
  readonly own: TlsFiles | null;
}

export interface TlsClient {
  readonly ca: string;
  readonly cert?: string;
  readonly key?: string;
  readonly minVersion: typeof MIN_VERSION;
  /** A certificate that nobody vouches for, or of another address, ends the connection. */
  readonly rejectUnauthorized: true;
}

/** @throws DovetailError `invalid_params` where a file cannot be read, or the two do not belong together. */
export function readTls({ cert, key }: TlsFiles): TlsPair {
  const pair: TlsPair = { cert: read(cert), key: read(key), minVersion: MIN_VERSION };
  try {
    createSecureContext(pair);
  } catch (cause) {
    const why = (cause as Error).message;
    const message = `${cert} and ${key} are no certificate with its key: ${why}.`;
    throw new DovetailError("invalid_params", message, { cause });
  }
  return pair;
}

/** @throws DovetailError `invalid_params` as `readTls`, and where `ca` holds no certificate. */
export function readTlsClient({ ca, own }: TlsClientFiles): TlsClient {
  const authority = read(ca);
  try {
    new X509Certificate(authority);
  } catch (cause) {
    const message = `${ca} holds no certificate in PEM: ${(cause as Error).message}.`;
    throw new DovetailError("invalid_params", message, { cause });
  }
  const pair = own && readTls(own);
  return {
    ca: authority.toString("utf8"),
    ...(pair && { cert: pair.cert.toString("utf8"), key: pair.key.toString("utf8") }),
    minVersion: MIN_VERSION,
    rejectUnauthorized: true,
  };
}

function read(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (cause) {
    const message = `${path} cannot be read: ${(cause as Error).message}.`;
    throw new DovetailError("invalid_params", message, { cause });
  }
}
