/** The renderer by itself, on a host made up in the page: see fake-host.ts for what that proves. */
import { expect, type Page, test } from "@playwright/test";
import { openFake } from "./fake-host.js";
import { callsTo, seriousFindings } from "./page-checks.js";

/** Opens the conversation with alice, which is the first in the list. */
async function openAlice(page: Page): Promise<void> {
  await page.locator('[data-testid="conversation-item"][data-handle="alice"]').click();
  await expect(page.getByTestId("message").last()).toBeVisible();
}

const messageSaying = (page: Page, text: string) =>
  page.getByTestId("message").filter({ hasText: text });

const listEnd = (page: Page) =>
  page
    .getByTestId("message-list")
    .evaluate((list) => list.scrollHeight - list.scrollTop - list.clientHeight);

test.describe("sign-up", () => {
  test("says in words what is wrong while one types, and moves on to the app", async ({ page }) => {
    const problems = await openFake(page, { registered: false });
    const handle = page.getByTestId("handle-input");
    await expect(handle).toBeFocused();
    await handle.fill("1a");
    await expect(page.getByText("A handle starts with a letter.")).toBeVisible();
    await handle.fill("bo!b");
    await expect(page.getByText("“!” cannot be part of a handle")).toBeVisible();
    await handle.fill("@Bob");
    await expect(page.getByText("People will find you as @bob.")).toBeVisible();
    await page.getByTestId("sign-up-submit").click();
    await expect(page.getByTestId("name-input")).toBeFocused();
    await expect(page.getByTestId("name-input")).toHaveAttribute("aria-invalid", "true");
    await page.keyboard.type("Bob");
    await page.keyboard.press("Enter");
    await expect(page.getByTestId("conversation-list")).toBeVisible();
    expect((await callsTo(page, "account.register"))[0]?.[1]).toEqual({
      handle: "bob",
      displayName: "Bob",
    });
    expect(problems).toEqual([]);
  });

  test("puts the relay's refusal beside the field it is about", async ({ page }) => {
    await openFake(page, { registered: false, taken: ["alice"], invite: "maple" });
    await page.getByTestId("handle-input").fill("alice");
    await page.getByTestId("name-input").fill("Alice");
    await page.getByTestId("sign-up-submit").click();
    await expect(page.getByText("Somebody else already has this handle.")).toBeVisible();
    await expect(page.getByTestId("handle-input")).toBeFocused();
    await page.getByTestId("handle-input").fill("alice2");
    await page.getByTestId("sign-up-submit").click();
    await expect(page.getByTestId("invite-input")).toBeFocused();
    await page.getByTestId("invite-input").fill("maple");
    await page.getByTestId("sign-up-submit").click();
    await expect(page.getByTestId("conversation-list")).toBeVisible();
  });

  test("never shows to somebody who has an account", async ({ page }) => {
    await page.addInitScript(() => {
      new MutationObserver(() => {
        if (document.querySelector('[data-testid="sign-up"]')) document.title = "flashed";
      }).observe(document, { childList: true, subtree: true });
    });
    await openFake(page, { latency: 100 });
    await expect(page.getByTestId("conversation-item").first()).toBeVisible();
    await expect(page).toHaveTitle(/Dovetail/);
  });
});

test.describe("writing", () => {
  test("Enter sends, Shift+Enter breaks, and the ticks follow the message", async ({ page }) => {
    await openFake(page);
    await openAlice(page);
    const composer = page.getByTestId("composer-input");
    await expect(composer).toBeFocused();
    await page.keyboard.type("first line");
    await page.keyboard.press("Shift+Enter");
    await page.keyboard.type("second line");
    expect(await callsTo(page, "messages.send")).toEqual([]);
    await page.keyboard.press("Enter");
    await expect(composer).toHaveValue("");
    const message = page.getByTestId("message").last();
    await expect(message).toContainText("first line\nsecond line", { useInnerText: true });
    const state = message.getByTestId("message-state");
    await expect(state).toHaveAttribute("data-state", "sent");
    await expect(state).toHaveAccessibleName("Sent");
    for (const [mark, name] of [
      ["delivered", "Delivered"],
      ["read", "Read"],
    ] as const) {
      await page.evaluate((to) => window.fake.mark(to), mark);
      await expect(state).toHaveAttribute("data-state", mark);
      await expect(state).toHaveAccessibleName(name);
    }
  });

  test("Enter does not send while an input method composes", async ({ page }) => {
    await openFake(page);
    await openAlice(page);
    const composer = page.getByTestId("composer-input");
    await composer.fill("に");
    await composer.dispatchEvent("keydown", { key: "Enter", isComposing: true });
    await expect(composer).toHaveValue("に");
    await composer.press("Enter");
    await expect(composer).toHaveValue("");
    expect(await callsTo(page, "messages.send")).toHaveLength(1);
  });

  test("a message that could not be queued comes back into the field", async ({ page }) => {
    await openFake(page);
    await openAlice(page);
    await page.evaluate(() => window.fake.failNext("messages.send", "disk_full"));
    await page.getByTestId("composer-input").fill("do not lose me");
    await page.keyboard.press("Enter");
    await expect(page.getByText("The disk is full.")).toBeVisible();
    await expect(page.getByTestId("composer-input")).toHaveValue("do not lose me");
  });

  test("says when a message is too long, and does not send it", async ({ page }) => {
    await openFake(page);
    await openAlice(page);
    await page.getByTestId("composer-input").fill("é".repeat(40_000));
    await expect(page.getByText("Too long for one message.")).toBeVisible();
    await page.getByTestId("composer-input").press("Enter");
    expect(await callsTo(page, "messages.send")).toEqual([]);
  });

  test("a draft stays with its conversation, and typing is told", async ({ page }) => {
    await openFake(page);
    await openAlice(page);
    await page.getByTestId("composer-input").fill("half a thought");
    await page.locator('[data-handle="carol"]').click();
    await expect(page.getByTestId("composer-input")).toHaveValue("");
    await expect(page.locator('[data-handle="alice"]')).toContainText("Draft: half a thought");
    await openAlice(page);
    await expect(page.getByTestId("composer-input")).toHaveValue("half a thought");
    const typing = await callsTo(page, "typing.set");
    expect(typing.map(([, params]) => (params as { active: boolean }).active)).toEqual([
      true,
      false,
    ]);
  });
});

test.describe("reading", () => {
  test("shows days, direct marks and safe links", async ({ page }) => {
    // So few that the first one, which begins a day at any time of day, is rendered.
    await openFake(page, { messages: 12 });
    await openAlice(page);
    await expect(page.getByTestId("day-separator").last()).toHaveText(/^(Today|Yesterday)$/);
    await expect(
      page
        .locator('[data-path="direct"]')
        .last()
        .getByRole("img", { name: /directly/ }),
    ).toBeVisible();
    await expect(page.locator('[data-path="relay"] [aria-label*="directly"]')).toHaveCount(0);
    await page.evaluate(() =>
      window.fake.receive("<b>x</b> javascript:alert(1) https://example.org/a."),
    );
    const message = page.getByTestId("message").last();
    await expect(message).toContainText("<b>x</b>");
    await expect(message.getByRole("link")).toHaveCount(1);
    await expect(message.getByRole("link")).toHaveAttribute("href", "https://example.org/a");
    await expect(message.getByRole("link")).toHaveAttribute("rel", /noreferrer/);
  });

  test("opens at the unread line and marks as read only once the newest is seen", async ({
    page,
  }) => {
    await openFake(page, { messages: 300, unread: 40 });
    await openAlice(page);
    await expect(page.getByTestId("unread-line")).toBeInViewport();
    expect(await callsTo(page, "conversations.markRead")).toEqual([]);
    await page.getByTestId("jump-to-newest").click();
    await expect.poll(() => callsTo(page, "conversations.markRead")).toHaveLength(1);
    await expect(page.locator('[data-handle="alice"]')).not.toContainText("unread");
  });

  test("stays at the end when it is there, and counts what came when it is not", async ({
    page,
  }) => {
    await openFake(page, { messages: 200 });
    await openAlice(page);
    await page.evaluate(() => window.fake.receive("at the end"));
    await expect(messageSaying(page, "at the end")).toBeInViewport();
    expect(await listEnd(page)).toBeLessThan(2);
    await page.getByTestId("message-list").hover();
    await page.mouse.wheel(0, -1_500);
    await expect(page.getByTestId("jump-to-newest")).toBeVisible();
    await page.evaluate(() => window.fake.receive("out of sight"));
    await expect(page.getByTestId("jump-to-newest")).toContainText("1 new");
    await page.getByTestId("jump-to-newest").click();
    await expect(page.getByTestId("message").last()).toBeInViewport();
    await expect(page.getByTestId("jump-to-newest")).toHaveCount(0);
  });
});

test("stays at the end when something takes of its height just as it moves", async ({ page }) => {
  await openFake(page, { messages: 200 });
  await openAlice(page);
  await page.getByTestId("message-list").evaluate((list) => {
    list.style.insetBlockEnd = "120px";
    list.dispatchEvent(new Event("scroll"));
  });
  await expect.poll(() => listEnd(page)).toBeLessThan(2);
  await page.evaluate(() => window.fake.receive("and one more"));
  await expect(messageSaying(page, "and one more")).toBeInViewport();
  await expect(page.getByTestId("jump-to-newest")).toHaveCount(0);
});

test.describe("a history of 100,000 messages", () => {
  const COUNT = 100_000;
  const MAX_ROWS = 150;

  test("opens at once at the newest with few nodes", async ({ page }) => {
    const problems = await openFake(page, { messages: COUNT });
    await openAlice(page);
    await expect(page.locator(`[data-seq="${COUNT}"]`)).toBeInViewport();
    expect(await listEnd(page)).toBeLessThan(2);
    expect(await page.getByTestId("message").count()).toBeLessThan(MAX_ROWS);
    expect(problems).toEqual([]);
  });

  test("scrolls far without holes, without losing its place, and with few nodes", async ({
    page,
  }) => {
    await openFake(page, { messages: COUNT });
    await openAlice(page);
    const list = page.getByTestId("message-list");
    await list.hover();
    const firstSeq = () =>
      page
        .getByTestId("message")
        .first()
        .evaluate((row) => Number((row as HTMLElement).dataset.seq));
    while ((await firstSeq()) > COUNT - 3_000) {
      await page.mouse.wheel(0, -2_500);
      await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => done(null))));
      expect(await page.getByTestId("message").count()).toBeLessThan(MAX_ROWS);
    }
    const rows = await page.getByTestId("message").evaluateAll((all) =>
      all.map((row) => ({
        seq: Number((row as HTMLElement).dataset.seq),
        text: row.textContent ?? "",
        top: row.getBoundingClientRect().top,
        bottom: row.getBoundingClientRect().bottom,
      })),
    );
    rows.forEach((row, i) => {
      const before = rows[i - 1];
      expect(row.text).toContain(`#${row.seq} `);
      if (!before) return;
      expect(row.seq).toBe(before.seq + 1);
      expect(Math.abs(row.top - before.bottom)).toBeLessThan(1);
    });
    // More than is kept was passed, so the newest went from memory; the way back has to load it.
    await page.getByTestId("jump-to-newest").click();
    await expect(page.locator(`[data-seq="${COUNT}"]`)).toBeInViewport();
    await page.evaluate(() => window.fake.receive("still here"));
    await expect(messageSaying(page, "still here")).toBeInViewport();
  });

  test("keeps what is on screen where it is while older pages arrive above", async ({ page }) => {
    await openFake(page, { messages: COUNT, latency: 150 });
    await openAlice(page);
    const jumps = await page.getByTestId("message-list").evaluate(async (list) => {
      const frame = () => new Promise((done) => requestAnimationFrame(done));
      const seqOf = (row: Element) => Number((row as HTMLElement).dataset.seq);
      const rowsNow = () => [...list.querySelectorAll('[data-testid="message"]')];
      const found: number[] = [];
      for (let page = 0; page < 6; page++) {
        list.scrollTop = 100;
        await frame();
        await frame();
        const top = list.getBoundingClientRect().top;
        const anchor = rowsNow().find((row) => row.getBoundingClientRect().top > top + 20);
        if (!anchor) throw new Error("nothing on screen");
        const seq = seqOf(anchor);
        const before = anchor.getBoundingClientRect().top;
        const height = list.scrollHeight;
        // Until the older page has arrived: each frame may show a jump.
        while (list.scrollHeight === height) {
          await frame();
          const same = rowsNow().find((row) => seqOf(row) === seq);
          found.push(same ? Math.abs(same.getBoundingClientRect().top - before) : Infinity);
        }
        await frame();
        const same = rowsNow().find((row) => seqOf(row) === seq);
        found.push(same ? Math.abs(same.getBoundingClientRect().top - before) : Infinity);
      }
      return found;
    });
    expect(jumps.length).toBeGreaterThan(6);
    expect(Math.max(...jumps)).toBeLessThan(2);
  });

  test("keeps its place when the window changes its width", async ({ page }) => {
    await openFake(page, { messages: COUNT });
    await openAlice(page);
    await page.setViewportSize({ width: 900, height: 700 });
    await expect(page.locator(`[data-seq="${COUNT}"]`)).toBeInViewport();
    await expect.poll(() => listEnd(page)).toBeLessThan(2);
  });
});

test.describe("finding people and moving around", () => {
  test("by keyboard alone: search, open, write, switch, settings", async ({ page }) => {
    await openFake(page);
    await expect(page.getByTestId("conversation-item").first()).toBeVisible();
    await page.keyboard.press("Control+k");
    await expect(page.getByTestId("search-input")).toBeFocused();
    await page.keyboard.type("@ali");
    await expect(page.getByTestId("search-result")).toHaveCount(3);
    await page.keyboard.press("ArrowDown");
    await expect(page.getByRole("option", { selected: true })).toContainText("@alina");
    await page.keyboard.press("Enter");
    await expect(page.getByRole("heading", { name: "Alina Petrova" })).toBeVisible();
    await expect(page.getByTestId("composer-input")).toBeFocused();
    await page.keyboard.type("hello");
    await page.keyboard.press("Enter");
    await expect(page.getByTestId("message")).toHaveCount(1);
    await page.keyboard.press("Alt+ArrowDown");
    await expect(page.getByRole("heading", { name: "Alice Liddell" })).toBeVisible();
    await page.keyboard.press("Alt+ArrowUp");
    await expect(page.getByRole("heading", { name: "Alina Petrova" })).toBeVisible();
    await page.keyboard.press("Control+,");
    await expect(page.getByTestId("settings")).toBeVisible();
    await page.keyboard.press("Escape");
    await expect(page.getByTestId("settings")).toHaveCount(0);
  });

  test("arrow keys walk the list, whose Tab stop is one", async ({ page }) => {
    await openFake(page);
    const items = page.getByTestId("conversation-item");
    await expect(page.locator('[data-testid="conversation-item"][tabindex="0"]')).toHaveCount(1);
    await items.first().focus();
    await page.keyboard.press("ArrowDown");
    await page.keyboard.press("ArrowDown");
    await expect(items.nth(2)).toBeFocused();
    await page.keyboard.press("End");
    await expect(items.last()).toBeFocused();
    await page.keyboard.press("Enter");
    await expect(items.last()).toHaveAttribute("aria-current", "true");
  });

  test("says in words when nobody is found", async ({ page }) => {
    await openFake(page);
    await page.getByTestId("search-input").fill("zzz");
    await expect(page.getByText("Nobody here has a handle that starts with @zzz")).toBeVisible();
    await page.keyboard.press("Escape");
    await expect(page.getByTestId("conversation-item").first()).toBeVisible();
  });

  test("shows one pane at a time in a narrow window", async ({ page }) => {
    await page.setViewportSize({ width: 360, height: 640 });
    await openFake(page);
    await openAlice(page);
    await expect(page.getByTestId("conversation-list")).toBeHidden();
    await page.getByTestId("back-button").click();
    await expect(page.getByTestId("conversation-list")).toBeVisible();
    await expect(page.getByTestId("composer-input")).toHaveCount(0);
    const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    expect(overflow).toBe(0);
  });
});

test("the connection state tells the truth, and one need not wait", async ({ page }) => {
  await openFake(page);
  const state = page.getByTestId("connection-state");
  await expect(state).toHaveAttribute("data-state", "connected");
  await page.evaluate(() =>
    window.fake.connection({ relay: "reconnecting", retryAt: Date.now() + 60_000 }),
  );
  await expect(state).toHaveAttribute("data-state", "direct");
  await page.evaluate(() => window.fake.connection({ direct: [] }));
  await expect(state).toContainText(/Reconnecting in [0-9]+ s/);
  await page.getByTestId("retry-button").click();
  await expect(state).toHaveAttribute("data-state", "connected");
});

test("a machine that has a network again does not wait for its turn to connect", async ({
  page,
}) => {
  await openFake(page);
  const state = page.getByTestId("connection-state");
  await page.context().setOffline(true);
  await page.evaluate(() =>
    window.fake.connection({ relay: "reconnecting", retryAt: Date.now() + 60_000, direct: [] }),
  );
  await expect(state).toContainText(/Reconnecting in [0-9]+ s/);
  await page.context().setOffline(false);
  await expect(state).toHaveAttribute("data-state", "connected");
});

test("dark by the system, light by choice", async ({ page }) => {
  await page.emulateMedia({ colorScheme: "dark" });
  await openFake(page);
  const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const dark = await ground();
  await page.getByTestId("settings-button").click();
  await page.getByText("Light", { exact: true }).click();
  await expect.poll(ground).not.toBe(dark);
  expect((await callsTo(page, "settings.set"))[0]?.[1]).toEqual({ theme: "light" });
});

for (const colorScheme of ["light", "dark"] as const) {
  test(`axe finds nothing serious (${colorScheme})`, async ({ page }) => {
    await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
    await openFake(page, { unread: 2 });
    await expect(page.getByTestId("conversation-item").first()).toBeVisible();
    expect(await seriousFindings(page)).toEqual([]);
    await openAlice(page);
    await page.getByTestId("composer-input").fill("hello");
    await page.keyboard.press("Enter");
    await page.evaluate(() => window.fake.typing(true));
    expect(await seriousFindings(page)).toEqual([]);
    await page.getByTestId("search-input").fill("al");
    await expect(page.getByTestId("search-result").first()).toBeVisible();
    expect(await seriousFindings(page)).toEqual([]);
    await page.keyboard.press("Escape");
    await page.getByTestId("settings-button").click();
    expect(await seriousFindings(page)).toEqual([]);
  });

  test(`axe finds nothing serious in sign-up (${colorScheme})`, async ({ page }) => {
    await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
    await openFake(page, { registered: false });
    await page.getByTestId("handle-input").fill("1");
    await page.getByTestId("sign-up-submit").click();
    expect(await seriousFindings(page)).toEqual([]);
  });
}
