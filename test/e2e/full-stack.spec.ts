/** The whole of it, from the page to the relay: what two people see. Runs in both projects. */
import { expect } from "@playwright/test";
import AxeSource from "axe-core";
import { encodeContent } from "../../electron/client/content.js";
import { MAX_ENTRIES } from "../../shared/limits.js";
import { NO_LIMITS } from "../real/processes.js";
import { Client, remote } from "../relay/world.js";
import { Seat, test, twoPeople } from "./seat.js";

test("two people sign up, find each other and talk both ways", async ({ scene, browser }) => {
  const { alice, bob } = await twoPeople(scene, browser);
  await alice.find("bo");
  await alice.say("Hello Bob");
  await expect(bob.page.getByTestId("conversation-item")).toContainText("Hello Bob");
  await bob.openFirst();
  await expect(bob.message("Hello Bob")).toHaveAttribute("data-mine", "false");
  await expect(alice.state("Hello Bob")).toHaveAttribute("data-state", "read");

  await bob.say("Hello Alice");
  await expect(alice.message("Hello Alice")).toBeVisible();
  await expect(bob.state("Hello Alice")).toHaveAttribute("data-state", "read");
  await alice.say("straight to you");
  await expect(bob.message("straight to you")).toHaveAttribute("data-path", "direct");
});

test("what one does with a message, the other one sees", async ({ scene, browser }) => {
  const { alice, bob } = await twoPeople(scene, browser);
  await alice.find("bo");
  await alice.say("Shall we glue it?");
  await bob.openFirst();
  await bob.choose("Shall we glue it?", "react");
  await bob.page.getByTestId("reaction-picker").locator('[data-emoji="👍"]').click();
  await expect(alice.page.getByTestId("reaction")).toHaveAccessibleName(/thumbs up: Bob/);
  await bob.choose("Shall we glue it?", "reply");
  await bob.say("Tomorow");
  await expect(alice.page.getByTestId("quote")).toContainText("Shall we glue it?");
  await bob.page.getByTestId("composer-input").press("ArrowUp");
  await bob.page.getByTestId("composer-input").fill("Tomorrow");
  await bob.page.getByTestId("composer-input").press("Enter");
  await expect(alice.page.getByTestId("edited")).toBeVisible();
  await alice.choose("Tomorrow", "pin");
  await expect(bob.page.getByTestId("pinned-bar")).toContainText("Tomorrow");
  await bob.choose("Tomorrow", "delete");
  await bob.page.getByTestId("delete-for-everyone").click();
  await expect(alice.message("This message was deleted")).toBeVisible();
  await expect(alice.page.getByTestId("pinned-bar")).toHaveCount(0);
  await alice.page.keyboard.press("Control+f");
  await alice.page.keyboard.type("glue");
  await expect(alice.page.getByTestId("search-status")).toHaveText("1 found");
});

test("a taken handle is told in words, and another one can be chosen", async ({
  scene,
  browser,
}) => {
  const relay = await scene.relay({ data: await scene.folder() });
  const first = await Seat.take(scene, browser, relay);
  await first.signUp("alice", "Alice");
  const second = await Seat.take(scene, browser, relay);
  await second.page.getByTestId("handle-input").fill("alice");
  await second.page.getByTestId("name-input").fill("Another");
  await second.page.getByTestId("sign-up-submit").click();
  await expect(second.page.getByTestId("sign-up")).toContainText(/taken|somebody else/i);
  await second.signUp("alice_2", "Another");
});

test("what was written to somebody away arrives on their return, in order", async ({
  scene,
  browser,
}) => {
  const { alice, bob } = await twoPeople(scene, browser);
  await alice.find("bob");
  await alice.say("first");
  await bob.openFirst();
  await expect(bob.message("first")).toBeVisible();
  await bob.kill();
  await expect(alice.page.getByTestId("peer-state")).toContainText(/seen/i);
  for (const text of ["one", "two", "three"]) await alice.say(`while away ${text}`);
  await expect(alice.state("while away three")).toHaveAttribute("data-state", "sent");

  await bob.open();
  await bob.openFirst();
  await expect(bob.page.getByTestId("message")).toHaveCount(4);
  await expect(bob.page.getByTestId("message").nth(3)).toContainText("while away three");
  await expect(alice.state("while away three")).toHaveAttribute("data-state", "read");
});

test("without the relay the page says so, and the talk goes on directly", async ({
  scene,
  browser,
}) => {
  const { data, relay, alice, bob } = await twoPeople(scene, browser);
  await alice.find("bob");
  await alice.say("hello");
  await bob.openFirst();
  await alice.say("are you there?");
  await expect(bob.message("are you there?")).toHaveAttribute("data-path", "direct");
  await relay.kill();
  await expect(alice.page.getByTestId("connection-state")).toContainText(/direct only/i);
  await alice.say("the relay is gone");
  await expect(bob.message("the relay is gone")).toBeVisible();
  await expect(alice.state("the relay is gone")).toHaveAttribute("data-state", /delivered|read/);

  await scene.relay({ data, port: relay.port });
  await expect(alice.page.getByTestId("connection-state")).toContainText(/connected/i, {
    timeout: 40_000,
  });
  await expect(alice.message("the relay is gone")).not.toHaveAttribute("data-seq", "", {
    timeout: 20_000,
  });
});

test("a reload shows the same, and a draft is still there", async ({ scene, browser }) => {
  const { alice, bob } = await twoPeople(scene, browser);
  await alice.find("bob");
  await alice.say("kept");
  await expect(alice.state("kept")).toHaveAttribute("data-state", /sent|delivered/);
  await alice.page.getByTestId("composer-input").fill("half a thou");
  await expect(bob.page.getByTestId("conversation-item")).toContainText("kept");
  await alice.page.waitForTimeout(800);
  await alice.page.reload();
  await alice.openFirst();
  await expect(alice.message("kept")).toBeVisible();
  await expect(alice.page.getByTestId("composer-input")).toHaveValue("half a thou");
});

test("100,000 messages that were written while one was away arrive, open at once and scroll", async ({
  scene,
  browser,
}) => {
  test.setTimeout(300_000);
  const COUNT = 100_000;
  const options = { data: await scene.folder(), args: NO_LIMITS };
  let relay = await scene.relay(options);
  const alice = await Seat.take(scene, browser, relay);
  await alice.signUp("alice", "Alice");
  const bob = new Client(remote(relay.url));
  await bob.register("bob");
  const found = await bob.ask({ type: "searchUsers", prefix: "alice", limit: 1 });
  if (found.type !== "people" || !found.people[0]) throw new Error("alice is not there");
  const conversationId = await bob.open(found.people[0].userId);
  await expect(alice.page.getByTestId("conversation-item")).toHaveCount(1);
  await alice.kill();
  for (let first = 1; first <= COUNT; first += MAX_ENTRIES) {
    const entries = Array.from({ length: MAX_ENTRIES }, (_, i) => ({
      deviceId: bob.key.deviceId,
      n: first + i,
      ttl: 0,
      signature: null,
      payload: encodeContent({
        clock: { wall: 1_700_000_000_000 + (first + i) * 60_000, counter: 0 },
        sentAt: 1_700_000_000_000 + (first + i) * 60_000,
        body: { type: "text", text: `message ${first + i} of many` },
      }),
    }));
    await bob.ask({ type: "append", conversationId, entries, heldBy: [] });
    bob.frames.length = 0;
  }

  // Opened before any of them has come: with a few unread it would stand at the first of those.
  await relay.kill();
  await alice.open();
  await alice.openFirst();
  relay = await scene.relay({ ...options, port: relay.port });
  const newest = `message ${COUNT} of many`;
  await expect(alice.message(newest)).toBeVisible({ timeout: 180_000 });
  // Fetched by now, it opens without the relay's help, and with few elements.
  await relay.kill();
  await alice.page.reload();
  await alice.openFirst();
  await expect(alice.message(newest)).toBeVisible();
  await alice.page.getByTestId("message-list").hover();
  const first = () =>
    alice.page
      .getByTestId("message")
      .first()
      .evaluate((row) => Number((row as HTMLElement).dataset.seq));
  while ((await first()) > COUNT - 2_000) {
    await alice.page.mouse.wheel(0, -3_000);
    expect(await alice.page.getByTestId("message").count()).toBeLessThan(150);
  }
});

for (const scheme of ["light", "dark"] as const) {
  test(`axe finds nothing serious in a conversation (${scheme})`, async ({ scene, browser }) => {
    const { alice, bob } = await twoPeople(scene, browser);
    await alice.page.emulateMedia({ colorScheme: scheme });
    await alice.find("bob");
    await alice.say("Hello");
    await bob.openFirst();
    await bob.say("Hello yourself");
    await expect(alice.message("Hello yourself")).toBeVisible();
    const found = await alice.page.evaluate(async (source) => {
      // The page's policy forbids script text; evaluate() runs outside of it.
      new Function(source)();
      const axe = (window as unknown as { axe: typeof AxeSource }).axe;
      const { violations } = await axe.run();
      return violations
        .filter(({ impact }) => impact === "serious" || impact === "critical")
        .map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(" ")}`);
    }, AxeSource.source);
    expect(found).toEqual([]);
  });
}
