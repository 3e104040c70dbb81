/** The address with which the host opens the browser: others on this computer can read it. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, expect, onTestFinished, test, vi } from "vitest";
import { startBrowserServer } from "../../electron/browser/server.js";
import { silentLog, temporaryFolder } from "./helpers.js";

afterEach(() => {
  vi.useRealTimers();
});

async function serve() {
  const files = await temporaryFolder();
  await writeFile(join(files, "index.html"), "<title>Dovetail</title>");
  const server = await startBrowserServer({
    client: { dispatch: async () => null, subscribe: () => () => undefined },
    files,
    secret: "the-secret",
    port: 0,
    log: silentLog,
  });
  onTestFinished(() => server.close());
  return server;
}

const visit = (url: string) => fetch(url, { redirect: "manual" });

test("a ticket leads to the page once, and does not hold the secret itself", async () => {
  const server = await serve();
  const ticket = server.ticketUrl();
  expect(ticket).not.toContain("the-secret");
  const first = await visit(ticket);
  expect([first.status, first.headers.get("location")]).toEqual([302, server.url]);
  expect(first.headers.get("cache-control")).toBe("no-store");
  const second = await visit(ticket);
  expect([second.status, second.headers.get("location")]).toEqual([404, null]);
});

test("each ticket is its own, and a guessed one leads nowhere", async () => {
  const server = await serve();
  const [a, b] = [server.ticketUrl(), server.ticketUrl()];
  expect(a).not.toBe(b);
  expect((await visit(a.slice(0, -1))).status).toBe(404);
  expect((await visit(`${a}x`)).status).toBe(404);
  expect((await visit(b)).status).toBe(302);
});

test("a ticket that was not used in time leads nowhere", async () => {
  const server = await serve();
  vi.useFakeTimers({ toFake: ["setTimeout"] });
  const ticket = server.ticketUrl();
  vi.advanceTimersByTime(60_000);
  vi.useRealTimers();
  expect((await visit(ticket)).status).toBe(404);
});
