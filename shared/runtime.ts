/**
 * What the pure cores need of the world. Production gives the real thing; a simulation gives
 * virtual time and a seed, and the same code runs.
 */

export interface Timer {
  cancel(): void;
}

export interface Clock {
  /** Milliseconds since 1970-01-01 UTC, as this machine believes; may jump either way. */
  now(): number;
  /** Milliseconds since some fixed moment; never runs back. For measuring, not for telling time. */
  monotonic(): number;
  /** Calls back once after at least `delayMs`. Must not keep a process alive by itself. */
  after(delayMs: number, callback: () => void): Timer;
}

export interface Random {
  /** Unpredictable bytes. */
  bytes(count: number): Uint8Array;
  /** From 0 up to but not 1; for jitter only. */
  fraction(): number;
}

/** SHA-256 (FIPS 180-4) and Ed25519 (RFC 8032). */
export interface Crypto {
  sha256(input: Uint8Array): Uint8Array;
  /** False also when the key is not one. */
  verify(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean;
}

/** Structured log lines. `fields` must never hold a key, a payload or a text. */
export interface Log {
  debug(event: string, fields?: object): void;
  info(event: string, fields?: object): void;
  warn(event: string, fields?: object): void;
  error(event: string, fields?: object): void;
}
