/** The built programs as processes of their own, as people run them. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { EventName, Events, Method, Params, Results } from "../shared/client-api.js";

const DIST = fileURLToPath(new URL("..", import.meta.url));

export type Program = ChildProcess & {
  stdin: NodeJS.WritableStream;
  stdout: NodeJS.ReadableStream;
};

/** Ended with this process, however it ends short of `kill -9`. */
const started = new Set<Program>();
process.on("exit", () => {
  for (const program of started) program.kill("SIGKILL");
});
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(1));

export function startProgram(name: string, args: readonly string[]): Program {
  const program = spawn(process.execPath, [join(DIST, name, "main.js"), ...args], {
    stdio: ["pipe", "pipe", "inherit"],
  }) as Program;
  started.add(program);
  program.once("exit", () => started.delete(program));
  return program;
}

/** The first line of its stdout, which every program prints when it is ready. */
export async function readReady<T>(program: Program): Promise<T> {
  for await (const line of createInterface({ input: program.stdout })) return JSON.parse(line) as T;
  throw new Error("A program ended before it was ready.");
}

export async function stopProgram(program: Program): Promise<void> {
  if (program.exitCode !== null || program.signalCode !== null) return;
  program.kill("SIGTERM");
  await once(program, "exit");
}

/** Process ids, on Linux; none elsewhere. */
export function childrenOf({ pid }: Program): readonly number[] {
  try {
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8");
    return children.split(" ").filter(Boolean).map(Number);
  } catch {
    return [];
  }
}

/** Its id and those of its children. */
export const processesOf = (program: Program): readonly number[] => [
  program.pid as number,
  ...childrenOf(program),
];

/** Seconds of processor time that a process has used (Linux; proc(5)); NaN elsewhere. */
export function processorSeconds(pid: number): number {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
    return (Number(fields[11]) + Number(fields[12])) / 100;
  } catch {
    return Number.NaN;
  }
}

/** As the machine's end would: nothing is written any more, nobody is told. */
export async function killProgram(program: Program): Promise<void> {
  if (program.exitCode !== null || program.signalCode !== null) return;
  program.kill("SIGKILL");
  await once(program, "exit");
}

interface Incoming {
  readonly id?: number;
  readonly result?: unknown;
  readonly error?: { readonly message: string };
  readonly method?: EventName;
  readonly params?: unknown;
}

/** A headless host, driven by JSON-RPC 2.0 lines. */
export class Headless {
  readonly #program: Program;
  readonly #waiting = new Map<number, (answer: Incoming) => void>();
  readonly #listeners = new Set<(event: EventName, data: unknown) => void>();
  #lastId = 0;

  constructor(profile: string, relay: string) {
    this.#program = startProgram("headless", ["--profile", profile, "--relay", relay]);
    createInterface({ input: this.#program.stdout }).on("line", (line) => this.#read(line));
  }

  get pid(): number {
    return this.#program.pid as number;
  }

  #read(line: string): void {
    const incoming = JSON.parse(line) as Incoming;
    if (incoming.method !== undefined) {
      for (const listener of this.#listeners) listener(incoming.method, incoming.params);
    } else if (incoming.id !== undefined) {
      this.#waiting.get(incoming.id)?.(incoming);
      this.#waiting.delete(incoming.id);
    } else {
      throw new Error(incoming.error?.message ?? line);
    }
  }

  call<M extends Method>(method: M, params: Params<M>): Promise<Results[M]> {
    const id = ++this.#lastId;
    const answer = new Promise<Results[M]>((resolve, reject) => {
      this.#waiting.set(id, ({ result, error }) => {
        if (error) reject(new Error(`${method}: ${error.message}`));
        else resolve(result as Results[M]);
      });
    });
    this.#program.stdin.write(`${JSON.stringify({ jsonrpc: "2.0", id, method, params })}\n`);
    return answer;
  }

  /** When the next event of that name for which `matches` holds was read, by this process's clock. */
  next<E extends EventName>(event: E, matches: (data: Events[E]) => boolean): Promise<number> {
    return new Promise((resolve) => {
      const listener = (name: EventName, data: unknown): void => {
        if (name !== event || !matches(data as Events[E])) return;
        this.#listeners.delete(listener);
        resolve(performance.now());
      };
      this.#listeners.add(listener);
    });
  }

  close(): Promise<void> {
    return stopProgram(this.#program);
  }
}
