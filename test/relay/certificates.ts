/** Certificates for tests, by the openssl command. */
import { execFileSync } from "node:child_process";
import { join } from "node:path";

export const hasOpenssl = (() => {
  try {
    return execFileSync("openssl", ["version"]).length > 0;
  } catch {
    return false;
  }
})();

export interface Pair {
  readonly cert: string;
  readonly key: string;
}

/** One that vouches for itself; gives the two files, which are written anew. */
export function issue(name: string, { cert, key }: Pair, more: readonly string[] = []): Pair {
  const curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  const files = ["-keyout", key, "-out", cert, "-days", "1", "-subj", `/CN=${name}`];
  execFileSync("openssl", ["req", "-x509", ...curve, ...files, ...more], { stdio: "ignore" });
  return { cert, key };
}

/** One that vouches for others, in files of that folder. */
export class Authority {
  readonly #folder: string;
  readonly #own: Pair;

  constructor(folder: string, name: string) {
    this.#folder = folder;
    this.#own = issue(name, this.#files(name));
  }

  get certificate(): string {
    return this.#own.cert;
  }

  /** For a service at an address. */
  issue(name: string, address: string): Pair {
    const { cert, key } = this.#own;
    const signed = ["-CA", cert, "-CAkey", key, "-addext", "basicConstraints=critical,CA:FALSE"];
    return issue(name, this.#files(name), [...signed, "-addext", `subjectAltName=${address}`]);
  }

  #files(name: string): Pair {
    return { cert: join(this.#folder, `${name}.pem`), key: join(this.#folder, `${name}.key`) };
  }
}
