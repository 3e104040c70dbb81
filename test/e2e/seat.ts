/** A person at a computer: in the project `electron` at the desktop app, else at the browser host. */
import { type Browser, test as base, expect, type Page } from "@playwright/test";
import { type Relay, Scene } from "../real/processes.js";
import { appWindow, desktopArgs, launch } from "./desktop.js";

interface Opened {
  readonly page: Page;
  /** Ends the whole of it with SIGKILL. */
  kill(): Promise<unknown>;
}

export class Seat {
  readonly profile: string;
  readonly #scene: Scene;
  readonly #browser: Browser;
  readonly #relay: string;
  #opened: Opened | null = null;

  private constructor(scene: Scene, browser: Browser, relay: string, profile: string) {
    this.#scene = scene;
    this.#browser = browser;
    this.#relay = relay;
    this.profile = profile;
  }

  static async take(scene: Scene, browser: Browser, relay: Relay): Promise<Seat> {
    const seat = new Seat(scene, browser, relay.url, await scene.folder());
    await seat.open();
    return seat;
  }

  get page(): Page {
    if (!this.#opened) throw new Error("nothing is open at this seat");
    return this.#opened.page;
  }

  /** Opens Dovetail on this seat's profile, as after a restart of the computer. */
  async open(): Promise<void> {
    this.#opened =
      base.info().project.name === "electron" ? await this.#openDesktop() : await this.#openPage();
  }

  async kill(): Promise<void> {
    await this.#opened?.kill();
  }

  async signUp(handle: string, name: string): Promise<void> {
    await this.page.getByTestId("handle-input").fill(handle);
    await this.page.getByTestId("name-input").fill(name);
    await this.page.getByTestId("sign-up-submit").click();
    await expect(this.page.getByTestId("search-input")).toBeVisible();
  }

  async find(handle: string): Promise<void> {
    await this.page.getByTestId("search-input").fill(handle);
    await this.page.getByTestId("search-result").first().click();
    await expect(this.page.getByTestId("composer-input")).toBeVisible();
  }

  async openFirst(): Promise<void> {
    await this.page.getByTestId("conversation-item").first().click();
    await expect(this.page.getByTestId("composer-input")).toBeVisible();
  }

  async say(text: string): Promise<void> {
    await this.page.getByTestId("composer-input").fill(text);
    await this.page.getByTestId("composer-input").press("Enter");
  }

  message(text: string) {
    return this.page.getByTestId("message").filter({ hasText: text });
  }

  notice(words: string | RegExp) {
    return this.page.getByTestId("notice").filter({ hasText: words });
  }

  /** An item of a message's menu, by mouse. */
  async choose(text: string, item: string): Promise<void> {
    await this.message(text).locator(".bubble").click({ button: "right" });
    await this.page.getByTestId(`menu-${item}`).click();
  }

  state(text: string) {
    return this.message(text).getByTestId("message-state");
  }

  async #openDesktop(): Promise<Opened> {
    const app = await launch(desktopArgs(this.profile, this.#relay));
    const gone = new Promise<void>((done) => app.once("close", () => done()));
    this.#scene.endWith(() => app.close());
    const kill = () => {
      app.process().kill("SIGKILL");
      return gone;
    };
    return { page: await appWindow(app), kill };
  }

  async #openPage(): Promise<Opened> {
    const host = await this.#scene.browserHost({ profile: this.profile, relay: this.#relay });
    // The tab outlives the host, as a person's does.
    const page = this.#opened?.page ?? (await (await this.#browser.newContext()).newPage());
    await page.goto(host.url);
    return { page, kill: () => host.kill("SIGKILL") };
  }
}

export const test = base.extend<{ scene: Scene }>({
  // biome-ignore lint/correctness/noEmptyPattern: Playwright reads the fixtures' names from the pattern.
  scene: async ({}, use) => {
    const scene = new Scene();
    await use(scene);
    await scene.end();
  },
});

export async function twoPeople(scene: Scene, browser: Browser) {
  const data = await scene.folder();
  const relay = await scene.relay({ data });
  const alice = await Seat.take(scene, browser, relay);
  const bob = await Seat.take(scene, browser, relay);
  await alice.signUp("alice", "Alice");
  await bob.signUp("bob", "Bob");
  return { data, relay, alice, bob };
}

export async function threePeople(scene: Scene, browser: Browser) {
  const two = await twoPeople(scene, browser);
  const carol = await Seat.take(scene, browser, two.relay);
  await carol.signUp("carol", "Carol");
  return { ...two, carol };
}
