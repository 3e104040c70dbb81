/**
 * Where the person is among the pages of one browser host, which to the core are one device. Knows
 * a page only as an object that is the same for all its calls.
 */
import type { ValidParams } from "../../shared/client-api.js";
import { methods } from "../../shared/client-methods.js";
import { DovetailError } from "../../shared/errors.js";
import type { Log } from "../../shared/runtime.js";
import type { Callee } from "../rpc/json-rpc.js";

type Use = ValidParams<"attention.set">;

export class PageAttention {
  readonly #client: Callee;
  readonly #log: Log;
  /** The one that was told of last stands last. */
  readonly #pages = new Map<object, Use>();

  constructor(client: Callee, log: Log) {
    this.#client = client;
    this.#log = log;
  }

  /** The client as one page calls it. */
  of(page: object): Callee {
    return {
      dispatch: (method, params) =>
        method === "attention.set"
          ? this.#set(page, params)
          : this.#client.dispatch(method, params),
    };
  }

  /** The page is gone. */
  async left(page: object): Promise<void> {
    if (!this.#pages.delete(page)) return;
    try {
      await this.#tell();
    } catch (error) {
      this.#log.info("a page that left was not told of", { code: DovetailError.from(error).code });
    }
  }

  #set(page: object, params: unknown): Promise<unknown> {
    const use = methods["attention.set"].params.safeParse(params);
    // The client says what is wrong with it.
    if (!use.success) return this.#client.dispatch("attention.set", params);
    this.#pages.delete(page);
    this.#pages.set(page, use.data);
    return this.#tell();
  }

  #tell(): Promise<unknown> {
    const uses = [...this.#pages.values()];
    const used = uses.findLast(({ active }) => active);
    const together: Use = {
      conversationId: used?.conversationId ?? null,
      active: used !== undefined,
      alerts: uses.some(({ alerts }) => alerts),
    };
    return this.#client.dispatch("attention.set", together);
  }
}
