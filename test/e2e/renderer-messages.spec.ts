/** What people do with messages and conversations, on a host made up in the page. */
import { expect, type Locator, type Page, test } from "@playwright/test";
import { type FakeOptions, openFake } from "./fake-host.js";
import { callsTo, seriousFindings } from "./page-checks.js";

const item = (page: Page, handle: string) =>
  page.locator(`[data-testid="conversation-item"][data-handle="${handle}"]`);

/** Opens the conversation with alice; gives what the page complains of. */
async function openAlice(page: Page, options: Partial<FakeOptions> = {}): Promise<string[]> {
  const problems = await openFake(page, options);
  await item(page, "alice").click();
  await expect(page.getByTestId("message").last()).toBeVisible();
  return problems;
}

const messages = (page: Page) => page.getByTestId("message");
const lastOwn = (page: Page) => page.locator('[data-testid="message"][data-mine="true"]').last();
const lastTheirs = (page: Page) =>
  page.locator('[data-testid="message"][data-mine="false"]').last();
const bySeq = (page: Page, seq: number) =>
  page.locator(`[data-testid="message"][data-seq="${seq}"]`);

async function idOf(message: Locator): Promise<string> {
  return (await message.getAttribute("data-message-id")) ?? "";
}

/** Opens a message's menu with the right button of the mouse. */
async function openMenu(page: Page, message: Locator): Promise<void> {
  await message.locator(".bubble").click({ button: "right" });
  await expect(page.getByTestId("message-menu")).toBeVisible();
}

/** From the composer with the keyboard alone to the newest message. */
async function focusNewest(page: Page): Promise<void> {
  await page.getByTestId("message-list").focus();
  await page.keyboard.press("ArrowUp");
  await expect(messages(page).last()).toBeFocused();
}

const lastCall = async (page: Page, method: string): Promise<unknown> =>
  (await callsTo(page, method)).at(-1)?.[1];

test.describe("the actions of a message", () => {
  test("stand in a toolbar on hover, and in a menu by the right button", async ({ page }) => {
    const problems = await openAlice(page);
    const message = lastTheirs(page);
    await expect(page.getByTestId("message-toolbar")).toHaveCount(0);
    await message.locator(".bubble").hover();
    await message.getByTestId("message-reply").click();
    await expect(page.getByTestId("reply-preview")).toContainText("Answering Alice Liddell");
    await expect(page.getByTestId("composer-input")).toBeFocused();
    await message.locator(".bubble").hover();
    await message.getByTestId("message-more").click();
    const menu = page.getByTestId("message-menu");
    await expect(menu.getByTestId("menu-edit")).toHaveCount(0);
    await expect(menu.getByTestId("menu-info")).toHaveCount(0);
    await page.mouse.click(5, 5);
    await expect(menu).toHaveCount(0);
    await openMenu(page, lastOwn(page));
    await expect(menu.getByTestId("menu-edit")).toBeVisible();
    expect(problems).toEqual([]);
  });

  test("by keyboard: arrows to the message, menu, and the focus comes back", async ({ page }) => {
    await openAlice(page);
    await focusNewest(page);
    await page.keyboard.press("ArrowUp");
    const message = messages(page).nth(-2);
    await expect(message).toBeFocused();
    for (const key of ["Enter", "Shift+F10", "ContextMenu"]) {
      await page.keyboard.press(key);
      await expect(page.getByTestId("menu-reply")).toBeFocused();
      await page.keyboard.press("ArrowDown");
      await expect(page.getByTestId("menu-react")).toBeFocused();
      await page.keyboard.press("Escape");
      await expect(page.getByTestId("message-menu")).toHaveCount(0);
      await expect(message).toBeFocused();
    }
    await page.keyboard.press("Tab");
    await expect(message.locator(":focus")).toHaveCount(1);
    await page.keyboard.press("Escape");
    await expect(message).toBeFocused();
  });

  test("a mouse that rests where the menu comes up chooses nothing, one that moves does", async ({
    page,
  }) => {
    await openAlice(page);
    await focusNewest(page);
    await page.keyboard.press("Enter");
    const forward = page.getByTestId("menu-forward");
    const middle = await forward.evaluate((item) => {
      const { x, y, width, height } = item.getBoundingClientRect();
      return { x: x + width / 2, y: y + height / 2 };
    });
    await page.keyboard.press("Escape");
    await page.mouse.move(middle.x, middle.y);
    await page.keyboard.press("Enter");
    await expect.poll(() => forward.evaluate((item) => item.matches(":hover"))).toBe(true);
    await expect(page.getByTestId("menu-reply")).toBeFocused();
    await page.keyboard.press("ArrowDown");
    await expect(page.getByTestId("menu-react")).toBeFocused();
    await page.mouse.move(middle.x + 2, middle.y);
    await expect(forward).toBeFocused();
  });

  test("reacting: quick ones, the picker by name, taking it back by a click", async ({ page }) => {
    await openAlice(page);
    const message = lastTheirs(page);
    const messageId = await idOf(message);
    await message.locator(".bubble").hover();
    await message.getByTestId("message-react").click();
    await page.getByTestId("reaction-picker").locator('[data-emoji="👍"]').click();
    const mine = message.locator('[data-testid="reaction"][data-emoji="👍"]');
    await expect(mine).toHaveAttribute("aria-pressed", "true");
    await page.evaluate((id) => window.fake.react(id, "👍", "alice"), messageId);
    await expect(mine).toHaveAccessibleName("thumbs up: you and Alice Liddell");
    await mine.click();
    await expect(mine).toHaveAttribute("aria-pressed", "false");
    expect(await lastCall(page, "messages.react")).toEqual({ messageId, emoji: "" });
    // By keyboard: into the menu, to the picker, by name.
    await message.focus();
    await page.keyboard.press("Enter");
    await page.keyboard.press("ArrowDown");
    await page.keyboard.press("Enter");
    await expect(page.getByTestId("reaction-picker").locator('[data-emoji="👍"]')).toBeFocused();
    for (let i = 0; i < 6; i++) await page.keyboard.press("ArrowRight");
    await page.keyboard.press("Enter");
    await expect(page.getByTestId("emoji-search")).toBeFocused();
    await page.keyboard.type("rocket");
    await page.keyboard.press("Enter");
    await expect(message.locator('[data-testid="reaction"][data-emoji="🚀"]')).toBeVisible();
    await expect(page.getByTestId("reaction-picker")).toHaveCount(0);
    await expect(message).toBeFocused();
  });

  test("forwarding to several, found by name", async ({ page }) => {
    await openAlice(page);
    const messageId = await idOf(lastOwn(page));
    await openMenu(page, lastOwn(page));
    await page.getByTestId("menu-forward").click();
    await expect(page.getByTestId("forward-search")).toBeFocused();
    await page.keyboard.type("carol");
    await expect(page.getByTestId("forward-choice")).toHaveCount(1);
    await page.keyboard.press("Tab");
    await page.keyboard.press("Space");
    await page.getByTestId("forward-search").fill("");
    await page.getByText("Dave Rossi").last().click();
    await page.getByTestId("forward-submit").click();
    await expect(page.getByText("Forwarded to 2 conversations")).toBeVisible();
    expect(await lastCall(page, "messages.forward")).toMatchObject({ messageId });
    await item(page, "carol").click();
    await expect(messages(page).last()).toContainText("Forwarded");
  });

  test("a text and a link to the message are copied, and the link leads there", async ({
    page,
    context,
  }) => {
    await context.grantPermissions(["clipboard-read", "clipboard-write"]);
    await openAlice(page, { messages: 400 });
    const target = messages(page).first();
    const messageId = await idOf(target);
    await openMenu(page, lastOwn(page));
    await page.getByTestId("menu-copy").click();
    await expect(page.getByText("Text copied")).toBeVisible();
    await page.getByTestId("message-list").focus();
    await page.evaluate(
      (id) => window.fake.receive(`See dovetail:message?id=${id} again`),
      messageId,
    );
    const link = page.getByTestId("message-link");
    await expect(link).toBeVisible();
    await link.click();
    await expect(page.locator(`[data-message-id="${messageId}"]`)).toBeFocused();
    await page.keyboard.press("Enter");
    await page.getByTestId("menu-copy-link").press("Enter");
    await expect(page.getByText("Link copied")).toBeVisible();
    expect(await page.evaluate(() => navigator.clipboard.readText())).toBe(
      `dovetail:message?id=${messageId}`,
    );
  });

  test("editing: by the menu or ArrowUp, Escape gives it up, and the draft comes back", async ({
    page,
  }) => {
    await openAlice(page);
    const field = page.getByTestId("composer-input");
    await field.fill("a draft");
    await openMenu(page, lastOwn(page));
    await page.getByTestId("menu-edit").click();
    await expect(page.getByTestId("editing-preview")).toContainText("Editing");
    await expect(field).not.toHaveValue("a draft");
    await page.keyboard.press("Escape");
    await expect(field).toHaveValue("a draft");
    await field.fill("");
    await page.keyboard.press("ArrowUp");
    await expect(page.getByTestId("editing-preview")).toBeVisible();
    await field.fill("Quite another text");
    await page.keyboard.press("Enter");
    await expect(page.getByTestId("editing-preview")).toHaveCount(0);
    await expect(field).toHaveValue("");
    await expect(lastOwn(page)).toContainText("Quite another text");
    await expect(lastOwn(page).getByTestId("edited")).toBeVisible();
    expect(await callsTo(page, "messages.send")).toEqual([]);
  });

  test("an edit that fails keeps its words", async ({ page }) => {
    await openAlice(page);
    await page.keyboard.press("ArrowUp");
    await page.getByTestId("composer-input").fill("do not lose me");
    await page.evaluate(() => window.fake.failNext("messages.edit", "disk_full"));
    await page.keyboard.press("Enter");
    await expect(page.getByText("The disk is full.")).toBeVisible();
    await expect(page.getByTestId("composer-input")).toHaveValue("do not lose me");
    await expect(page.getByTestId("editing-preview")).toBeVisible();
  });

  test("deleting: for oneself it goes, for everyone a line stays", async ({ page }) => {
    await openAlice(page);
    const own = await idOf(lastOwn(page));
    const theirs = await idOf(lastTheirs(page));
    await openMenu(page, lastOwn(page));
    await page.getByTestId("menu-delete").click();
    await expect(page.getByRole("button", { name: "Cancel" })).toBeFocused();
    await page.getByTestId("delete-for-everyone").click();
    const deleted = page.locator(`[data-message-id="${own}"]`);
    await expect(deleted).toContainText("You deleted this message");
    await page.locator(`[data-message-id="${theirs}"]`).focus();
    await page.keyboard.press("Enter");
    await page.keyboard.press("End");
    await page.keyboard.press("Enter");
    await expect(page.getByTestId("delete-for-everyone")).toHaveCount(0);
    await page.getByTestId("delete-for-me").press("Enter");
    await expect(page.locator(`[data-message-id="${theirs}"]`)).toHaveCount(0);
    await expect(page.getByTestId("message-list")).toBeFocused();
    expect(await lastCall(page, "messages.delete")).toEqual({ messageId: theirs, for: "me" });
  });

  test("one that disappears is gone, from what one was answering too", async ({ page }) => {
    await openAlice(page);
    const message = lastTheirs(page);
    const messageId = await idOf(message);
    await page.evaluate(
      (id) => window.fake.change(id, { expiresAt: Date.now() + 5 * 3_600_000 }),
      messageId,
    );
    await expect(message.getByTestId("mark-timer")).toHaveAccessibleName("Disappears in 5 hours");
    await openMenu(page, message);
    await page.getByTestId("menu-reply").click();
    await expect(page.getByTestId("reply-preview")).toBeVisible();
    await page.evaluate((id) => window.fake.remove(id), messageId);
    await expect(page.locator(`[data-message-id="${messageId}"]`)).toHaveCount(0);
    await expect(page.getByTestId("reply-preview")).toHaveCount(0);
  });

  test("info tells who has read an own message", async ({ page }) => {
    await openAlice(page);
    await openMenu(page, lastOwn(page));
    await page.getByTestId("menu-info").click();
    await expect(page.getByTestId("receipts-read")).toContainText("Alice Liddell");
    await page.keyboard.press("Escape");
    await expect(page.getByTestId("message-info")).toHaveCount(0);
    await expect(lastOwn(page)).toBeFocused();
  });
});

test.describe("answers and jumps", () => {
  test("a quote leads to the original far above, and both ends load from there", async ({
    page,
  }) => {
    await openAlice(page, { messages: 3_000 });
    const original = { seq: 1_000 };
    await page.evaluate(({ seq }) => {
      const last = document.querySelector<HTMLElement>('[data-testid="message"]:last-child');
      const id = last?.dataset.messageId ?? "";
      const [conversation, device] = id.split(".");
      const to = `${conversation}.${device}.${seq}`;
      window.fake.change(id, {
        replyTo: { messageId: to, from: "alice", fromName: "Alice Liddell", excerpt: "long ago" },
      });
    }, original);
    const quote = page.getByTestId("quote");
    await expect(quote).toContainText("long ago");
    await quote.focus();
    await page.keyboard.press("Enter");
    await expect(bySeq(page, 1_000)).toBeInViewport();
    await expect(page.getByTestId("jump-to-newest")).toBeVisible();
    const list = page.getByTestId("message-list");
    await list.hover();
    const seqOf = (message: Locator) =>
      message.evaluate((row) => Number((row as HTMLElement).dataset.seq));
    await expect
      .poll(async () => {
        await page.mouse.wheel(0, -2_400);
        return seqOf(messages(page).first());
      })
      .toBeLessThan(900);
    await expect
      .poll(async () => {
        await page.mouse.wheel(0, 4_800);
        return seqOf(messages(page).last());
      })
      .toBeGreaterThan(1_100);
    await page.getByTestId("jump-to-newest").click();
    await expect(bySeq(page, 3_000)).toBeInViewport();
    await expect(page.getByTestId("jump-to-newest")).toHaveCount(0);
  });

  test("an answer is sent with what it answers; Escape cancels", async ({ page }) => {
    await openAlice(page);
    const messageId = await idOf(lastTheirs(page));
    await lastTheirs(page).focus();
    await page.keyboard.press("Enter");
    await page.keyboard.press("Enter");
    await expect(page.getByTestId("reply-preview")).toBeVisible();
    await expect(page.getByTestId("composer-input")).toBeFocused();
    await page.keyboard.press("Escape");
    await expect(page.getByTestId("reply-preview")).toHaveCount(0);
    await openMenu(page, lastTheirs(page));
    await page.getByTestId("menu-reply").click();
    await page.keyboard.type("my answer");
    await page.keyboard.press("Enter");
    expect(await lastCall(page, "messages.send")).toMatchObject({ replyTo: messageId });
    await expect(messages(page).last().getByTestId("quote")).toBeVisible();
    await messages(page).last().getByTestId("quote").click();
    await expect(page.locator(`[data-message-id="${messageId}"]`)).toBeFocused();
  });

  test("a link to what is not here says so", async ({ page }) => {
    await openAlice(page);
    const [conversation, device] = (await idOf(lastTheirs(page))).split(".");
    await page.evaluate(
      (id) => window.fake.receive(`dovetail:message?id=${id}`),
      `${conversation}.${device}.999999`,
    );
    await page.getByTestId("message-link").click();
    await expect(page.getByRole("alert")).toContainText("This message is not on this device.");
    await expect(messages(page).last()).toBeVisible();
  });

  test("stays at the end while what is shown there grows", async ({ page }) => {
    await openAlice(page);
    const ids = await messages(page).evaluateAll((all) =>
      all.slice(-4).map((row) => (row as HTMLElement).dataset.messageId ?? ""),
    );
    await page.evaluate((all) => {
      for (const id of all) window.fake.react(id, "🔥", "alice");
    }, ids);
    await expect(page.getByTestId("reaction")).toHaveCount(4);
    await expect
      .poll(() =>
        page
          .getByTestId("message-list")
          .evaluate((list) => list.scrollHeight - list.scrollTop - list.clientHeight),
      )
      .toBeLessThan(2);
  });
});

test.describe("finding", () => {
  test("words: counted, marked, stepped through by keyboard", async ({ page }) => {
    await openAlice(page, { messages: 2_000 });
    await page.keyboard.press("Control+f");
    await expect(page.getByTestId("message-search")).toBeFocused();
    await page.keyboard.type("drawer");
    await expect(page.getByTestId("search-status")).toHaveText("50+ found");
    await page.keyboard.press("Enter");
    await expect(page.getByTestId("search-status")).toHaveText("1 of 50+");
    await expect(page.getByTestId("message-list").locator("mark").first()).toHaveText("drawer");
    const first = await page.locator('[data-testid="search-hit"][aria-current]').textContent();
    await page.keyboard.press("Enter");
    await expect(page.getByTestId("search-status")).toHaveText("2 of 50+");
    await page.keyboard.press("Shift+Enter");
    await expect(page.getByTestId("search-status")).toHaveText("1 of 50+");
    expect(await page.locator('[data-testid="search-hit"][aria-current]').textContent()).toBe(
      first,
    );
    for (let i = 0; i < 50; i++) await page.getByTestId("search-next").click();
    await expect(page.getByTestId("search-status")).toHaveText("51 of 100+");
    await page.getByTestId("search-hit").nth(4).click();
    await expect(page.locator('[data-testid="message"]:focus')).toContainText("drawer");
    await page.getByTestId("message-search").focus();
    await page.keyboard.press("Escape");
    await expect(page.getByTestId("search-panel")).toHaveCount(0);
    await expect(page.locator("mark")).toHaveCount(0);
  });

  test("nothing found is said; a day is jumped to", async ({ page }) => {
    await openAlice(page, { messages: 1_500 });
    await page.getByTestId("conversation-menu").click();
    await page.getByTestId("menu-search").click();
    await page.getByTestId("message-search").fill("zebra");
    await expect(page.getByTestId("search-status")).toHaveText("Nothing found");
    const day = await page.evaluate(() => {
      const date = new Date(Date.now() - 4 * 86_400_000);
      const two = (n: number) => String(n).padStart(2, "0");
      return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
    });
    await page.getByTestId("jump-to-date").fill(day);
    await expect.poll(() => lastCall(page, "messages.at")).toBeTruthy();
    await expect(page.getByTestId("day-separator")).toBeInViewport();
    await expect(page.getByTestId("jump-to-newest")).toBeVisible();
  });

  test("starred messages, of the conversation and of all", async ({ page }) => {
    await openAlice(page);
    const messageId = await idOf(lastOwn(page));
    await openMenu(page, lastOwn(page));
    await page.getByTestId("menu-star").click();
    await expect(lastOwn(page).getByTestId("mark-star")).toHaveAccessibleName("Starred");
    await page.getByTestId("conversation-menu").click();
    await page.getByTestId("menu-starred").click();
    await expect(page.getByTestId("starred-panel").getByTestId("starred-message")).toHaveCount(1);
    await page.getByTestId("panel-close").click();
    await item(page, "carol").click();
    await page.getByTestId("starred-button").click();
    await expect(page.getByTestId("starred-message")).toContainText("in Alice Liddell");
    await page.getByTestId("starred-message").press("Enter");
    await expect(page.getByTestId("starred-dialog")).toHaveCount(0);
    await expect(page.locator(`[data-message-id="${messageId}"]`)).toBeFocused();
  });

  test("pinned messages cycle above the conversation, and are unpinned there", async ({ page }) => {
    await openAlice(page);
    await expect(page.getByTestId("pinned-bar")).toHaveCount(0);
    for (const message of [lastOwn(page), lastTheirs(page)]) {
      await openMenu(page, message);
      await page.getByTestId("menu-pin").click();
      await expect(message.getByTestId("mark-pin")).toBeVisible();
    }
    const bar = page.getByTestId("pinned-bar");
    await expect(bar).toContainText("Pinned · 2 of 2");
    await page.getByTestId("pinned-go").click();
    await expect(lastTheirs(page)).toBeFocused();
    await expect(bar).toContainText("Pinned · 1 of 2");
    await page.getByTestId("pinned-go").press("Enter");
    await expect(lastOwn(page)).toBeFocused();
    await page.getByTestId("pinned-unpin").click();
    await expect(bar).not.toContainText(" of ");
    await openMenu(page, lastOwn(page));
    const last = await page.getByTestId("menu-pin").textContent();
    await page.keyboard.press("Escape");
    // Whichever is left goes by being deleted for everyone, as the core tells of it.
    const left = last?.includes("Unpin") ? lastOwn(page) : lastTheirs(page);
    const messageId = await idOf(left);
    await page.evaluate((id) => window.fake.change(id, { deleted: true, text: "" }), messageId);
    await expect(bar).toHaveCount(0);
    await expect(page.getByTestId("mark-pin")).toHaveCount(0);
  });
});

test.describe("mentions in a group", () => {
  test("are completed by keyboard and by mouse, and marked", async ({ page }) => {
    await openFake(page, { groupMembers: 12 });
    await page.getByTestId("conversation-item").filter({ hasText: "Dovetail makers" }).click();
    const field = page.getByTestId("composer-input");
    await field.fill("");
    await page.keyboard.type("Ask @al");
    await expect(page.getByTestId("mention-option").first()).toHaveAttribute(
      "aria-selected",
      "true",
    );
    await page.keyboard.press("Escape");
    await expect(page.getByTestId("mention-list")).toHaveCount(0);
    await page.keyboard.type("i");
    await page.keyboard.press("Tab");
    await expect(field).toHaveValue("Ask @alice ");
    await page.keyboard.type("and @car");
    await page.getByTestId("mention-option").first().click();
    await expect(field).toHaveValue("Ask @alice and @carol ");
    await expect(field).toBeFocused();
    await page.keyboard.press("Enter");
    await expect(messages(page).last().getByTestId("mention")).toHaveText(["@alice", "@carol"]);
    await openMenu(page, lastOwn(page));
    await page.getByTestId("menu-info").click();
    for (const state of ["read", "delivered", "sent"]) {
      await expect(page.getByTestId(`receipts-${state}`)).toBeVisible();
    }
  });
});

test.describe("a conversation's menu", () => {
  test("pins, mutes, archives, by mouse and by keyboard", async ({ page }) => {
    await openAlice(page);
    await item(page, "dave_r").click();
    const menu = page.getByTestId("conversation-menu");
    await menu.press("Enter");
    await expect(page.getByTestId("menu-search")).toBeFocused();
    await page.keyboard.press("p");
    await expect(page.getByTestId("menu-pin-conversation")).toBeFocused();
    await page.keyboard.press("Enter");
    await expect(menu).toBeFocused();
    await expect(page.getByTestId("conversation-item").first()).toHaveAttribute(
      "data-handle",
      "dave_r",
    );
    await expect(item(page, "dave_r").getByTestId("pinned-icon")).toBeVisible();
    await menu.click();
    await page.getByTestId("menu-mute").click();
    await page.getByTestId("mute-always").click();
    await expect(item(page, "dave_r").getByTestId("muted-icon")).toHaveAccessibleName("Muted");
    expect(await lastCall(page, "conversations.mute")).toMatchObject({ until: 8.64e15 });
    await menu.click();
    await page.getByTestId("menu-unmute").click();
    await menu.click();
    await page.getByTestId("menu-mute").click();
    await page.getByTestId("mute-8h").click();
    await expect(item(page, "dave_r").getByTestId("muted-icon")).toHaveAccessibleName(
      /^Muted until .*[0-9]:[0-9]{2}/,
    );
    await menu.click();
    await page.getByTestId("menu-unmute").click();
    await expect(page.getByTestId("muted-icon")).toHaveCount(0);
    await menu.click();
    await page.getByTestId("menu-archive").click();
    await expect(item(page, "dave_r")).toHaveCount(0);
    await page.getByTestId("archived-folder").press("Enter");
    await expect(item(page, "dave_r")).toBeFocused();
    await expect(page.getByTestId("conversation-item")).toHaveCount(1);
    await page.getByTestId("folder-back").click();
    await expect(item(page, "alice")).toBeVisible();
  });

  test("lets new messages disappear, and says what that means", async ({ page }) => {
    await openAlice(page);
    await page.getByTestId("conversation-menu").click();
    await expect(page.getByTestId("menu-timer")).toContainText("Off");
    await page.getByTestId("menu-timer").click();
    await expect(page.getByTestId("timer-dialog")).toContainText("after they were sent");
    await page.getByTestId("timer-0").focus();
    await page.keyboard.press("ArrowDown");
    await page.keyboard.press("ArrowDown");
    await page.keyboard.press("Enter");
    await expect(page.getByTestId("timer-dialog")).toHaveCount(0);
    expect(await lastCall(page, "conversations.setTimer")).toMatchObject({ seconds: 604_800 });
    await expect(page.getByTestId("timer-icon")).toHaveAccessibleName(
      "New messages disappear after 7 days",
    );
    await page.getByTestId("conversation-menu").click();
    await expect(page.getByTestId("menu-timer")).toContainText("7 days");
  });

  test("blocks after a question; unblocking works here and in the settings", async ({ page }) => {
    await openAlice(page);
    for (const place of ["bar", "settings"]) {
      await page.getByTestId("conversation-menu").click();
      await page.getByTestId("menu-block").click();
      await expect(page.getByRole("button", { name: "Cancel" })).toBeFocused();
      await page.getByTestId("block-dialog-confirm").click();
      await expect(page.getByTestId("blocked-bar")).toBeVisible();
      await expect(page.getByTestId("composer-input")).toHaveCount(0);
      if (place === "bar") await page.getByTestId("unblock").click();
      else {
        await page.keyboard.press("Control+,");
        await page.getByTestId("blocked-unblock").click();
        await expect(page.getByTestId("blocked-section")).toContainText("nobody");
        await page.keyboard.press("Escape");
      }
      await expect(page.getByTestId("composer-input")).toBeVisible();
    }
  });

  test("a stranger's request is accepted or blocked", async ({ page }) => {
    await openFake(page);
    await page.evaluate(() => window.fake.set("carol", { request: true }));
    await expect(item(page, "carol").getByTestId("request-badge")).toBeVisible();
    await item(page, "carol").click();
    await expect(page.getByTestId("message-request")).toContainText(
      "Carol Shaw is not someone you have talked to",
    );
    await page.getByTestId("request-block").click();
    await page.keyboard.press("Escape");
    await page.getByTestId("request-accept").press("Enter");
    await expect(page.getByTestId("message-request")).toHaveCount(0);
    await expect(page.getByTestId("request-badge")).toHaveCount(0);
  });

  test("a mention among the unread ones has a badge", async ({ page }) => {
    await openFake(page);
    await page.evaluate(() => window.fake.set("carol", { mentioned: true }));
    await expect(item(page, "carol").getByTestId("mention-badge")).toContainText(
      "You are mentioned",
    );
  });
});

test("everything fits a narrow window", async ({ page }) => {
  await page.setViewportSize({ width: 360, height: 640 });
  await openAlice(page);
  const inside = async (testid: string) => {
    const box = await page.getByTestId(testid).boundingBox();
    expect(box, testid).not.toBeNull();
    if (!box) return;
    expect(box.x, testid).toBeGreaterThanOrEqual(0);
    expect(box.y, testid).toBeGreaterThanOrEqual(0);
    expect(box.x + box.width, testid).toBeLessThanOrEqual(360);
    expect(box.y + box.height, testid).toBeLessThanOrEqual(640);
  };
  await openMenu(page, lastOwn(page));
  await inside("message-menu");
  await page.getByTestId("menu-react").click();
  await inside("reaction-picker");
  await page.getByTestId("more-emoji").click();
  await inside("reaction-picker");
  await page.keyboard.press("Escape");
  await openMenu(page, lastOwn(page));
  await page.getByTestId("menu-forward").click();
  await inside("forward-dialog");
  await page.keyboard.press("Escape");
  await page.getByTestId("conversation-menu").click();
  await inside("conversation-menu-items");
  await page.getByTestId("menu-search").click();
  await inside("search-panel");
  await page.getByTestId("message-search").fill("drawer");
  await page.getByTestId("search-hit").first().click();
  await expect(page.getByTestId("search-panel")).toHaveCount(0);
  await expect(page.locator('[data-testid="message"]:focus')).toContainText("drawer");
  const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  expect(overflow).toBe(0);
});

for (const colorScheme of ["light", "dark"] as const) {
  test(`axe finds nothing serious (${colorScheme})`, async ({ page }) => {
    await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
    await openAlice(page);
    const own = await idOf(lastOwn(page));
    const theirs = await idOf(lastTheirs(page));
    await page.evaluate(
      ([mine, other]) => {
        const quote = { messageId: other, from: "alice", fromName: "Alice", excerpt: "before" };
        const marks = { edited: true, starred: true, pinned: true, forwarded: true };
        const expiresAt = Date.now() + 86_400_000;
        window.fake.change(mine ?? "", { ...marks, expiresAt, replyTo: quote });
        window.fake.change(other ?? "", { ...marks, expiresAt, replyTo: quote });
        window.fake.react(other ?? "", "👍", "alice");
        window.fake.receive("gone");
        window.fake.set("carol", { pinned: true, mutedUntil: 8.64e15, mentioned: true });
        window.fake.set("dave_r", { archived: true });
        window.fake.set("erin", { request: true });
      },
      [own, theirs],
    );
    await expect(page.getByTestId("reaction")).toBeVisible();
    await page.evaluate(
      (id) => window.fake.change(id, { deleted: true, text: "" }),
      await idOf(messages(page).last()),
    );
    expect(await seriousFindings(page)).toEqual([]);
    const own2 = page.locator(`[data-message-id="${own}"]`);
    await openMenu(page, own2);
    expect(await seriousFindings(page)).toEqual([]);
    await page.getByTestId("menu-pin").click();
    await openMenu(page, own2);
    await page.getByTestId("menu-react").click();
    expect(await seriousFindings(page)).toEqual([]);
    await page.getByTestId("more-emoji").click();
    expect(await seriousFindings(page)).toEqual([]);
    await page.keyboard.press("Escape");
    for (const action of ["forward", "delete", "info"]) {
      await openMenu(page, own2);
      await page.getByTestId(`menu-${action}`).click();
      expect(await seriousFindings(page)).toEqual([]);
      await page.keyboard.press("Escape");
      await expect(page.locator("dialog")).toHaveCount(0);
    }
    await openMenu(page, own2);
    await page.getByTestId("menu-reply").click();
    await page.keyboard.press("Control+f");
    await page.keyboard.type("the");
    await page.keyboard.press("Enter");
    await expect(page.locator("mark").first()).toBeVisible();
    expect(await seriousFindings(page)).toEqual([]);
    await page.keyboard.press("Escape");
    for (const name of ["timer", "block"]) {
      await page.getByTestId("conversation-menu").click();
      await page.getByTestId(`menu-${name}`).click();
      expect(await seriousFindings(page)).toEqual([]);
      await page.keyboard.press("Escape");
      await expect(page.locator("dialog")).toHaveCount(0);
    }
    await page.evaluate(() => window.fake.set("alice", { request: true }));
    expect(await seriousFindings(page)).toEqual([]);
    await page.evaluate(() => window.fake.set("alice", { request: false, blocked: true }));
    expect(await seriousFindings(page)).toEqual([]);
  });
}
