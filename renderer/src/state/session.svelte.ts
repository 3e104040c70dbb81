import type { Account, Settings } from "../../../shared/client-api.js";
import type { Host } from "../host-contract.js";

/** Who one is on this computer, and how one likes it. */
export class Session {
  account = $state.raw<Account | null>(null);
  settings = $state.raw<Settings>({ directEnabled: true, notifications: true, theme: "system" });
  readonly #host: Host;

  constructor(host: Host) {
    this.#host = host;
  }

  async load(): Promise<void> {
    const [account, settings] = await Promise.all([
      this.#host.call("account.get", {}),
      this.#host.call("settings.get", {}),
    ]);
    this.account = account;
    this.settings = settings;
  }

  async register(handle: string, displayName: string, invite: string): Promise<void> {
    const params = { handle, displayName, ...(invite === "" ? {} : { invite }) };
    this.account = await this.#host.call("account.register", params);
  }

  async link(code: string): Promise<void> {
    this.account = await this.#host.call("account.link", { code });
  }

  async change(change: Partial<Settings>): Promise<void> {
    this.settings = await this.#host.call("settings.set", change);
  }
}
