/** Groups in the renderer, on a host made up in the page: see fake-host.ts and fake-groups.ts. */
import { expect, type Page, test } from "@playwright/test";
import { type FakeOptions, openFake } from "./fake-host.js";
import { callsTo, seriousFindings } from "./page-checks.js";

const GROUP = "Dovetail makers";
const LINK = "dovetail:join?relay=ws%3A%2F%2F127.0.0.1%3A8787&code=7KQ2M9XWTB4D";

const item = (page: Page, title: string) =>
  page.getByTestId("conversation-item").filter({ hasText: title });
const member = (page: Page, handle: string) =>
  page.locator(`[data-testid="member"][data-handle="${handle}"]`);
const notice = (page: Page, words: string) => page.getByTestId("notice").filter({ hasText: words });

async function openGroup(page: Page, options: Partial<FakeOptions> = {}): Promise<string[]> {
  const problems = await openFake(page, { groupMembers: 5, ...options });
  await item(page, GROUP).click();
  await expect(page.getByTestId("conversation")).toBeVisible();
  return problems;
}

async function openInfo(page: Page, options: Partial<FakeOptions> = {}): Promise<string[]> {
  const problems = await openGroup(page, options);
  await page.getByTestId("group-info-button").click();
  await expect(member(page, "alice")).toBeAttached();
  return problems;
}

async function openNew(page: Page): Promise<void> {
  await page.getByTestId("new-button").click();
  await page.getByTestId("new-group-button").click();
  await expect(page.getByTestId("people-input")).toBeFocused();
}

const lastParams = async (page: Page, method: string) => (await callsTo(page, method)).at(-1)?.[1];

test.describe("a new group", () => {
  test("by keyboard: Enter adds, Backspace takes back, and one is in it", async ({ page }) => {
    const problems = await openFake(page);
    await page.getByTestId("new-button").focus();
    await page.keyboard.press("Enter");
    await page.keyboard.press("ArrowDown");
    await page.keyboard.press("Enter");
    const input = page.getByTestId("people-input");
    await expect(input).toBeFocused();
    for (const typed of ["alice", "carol", "dave"]) {
      await page.keyboard.type(typed);
      await expect(page.getByTestId("people-option")).toHaveCount(1);
      await page.keyboard.press("Enter");
    }
    await expect(page.getByTestId("chip")).toHaveText([
      "Alice Liddell",
      "Carol Shaw",
      "Dave Rossi",
    ]);
    await page.keyboard.press("Backspace");
    await expect(page.getByTestId("chip")).toHaveCount(2);
    // Typed once more, somebody chosen stays chosen.
    await page.keyboard.type("alice");
    await page.keyboard.press("Enter");
    await expect(page.getByTestId("chip")).toHaveCount(2);
    await page.keyboard.press("Enter");
    await expect(page.getByTestId("group-name-input")).toBeFocused();
    await page.keyboard.press("Enter");
    await expect(page.getByText("A group needs a name.")).toBeVisible();
    expect(await callsTo(page, "groups.create")).toEqual([]);
    await page.keyboard.type("Saw sharpeners");
    await page.keyboard.press("Enter");
    await expect(page.getByTestId("group-info-button")).toContainText("Saw sharpeners");
    await expect(page.getByTestId("peer-state")).toHaveText("3 members");
    await expect(notice(page, "You created the group")).toBeVisible();
    await expect(page.getByTestId("composer-input")).toBeFocused();
    expect(await lastParams(page, "groups.create")).toEqual({
      name: "Saw sharpeners",
      description: "",
      picture: "",
      handles: ["alice", "carol"],
    });
    expect(problems).toEqual([]);
  });

  test("by mouse, with a description and a picture that is made small and square", async ({
    page,
  }) => {
    await openFake(page);
    await openNew(page);
    await page.locator('[data-testid="people-option"][data-handle="erin"]').click();
    await page.locator('[data-testid="people-option"][data-handle="alice"]').click();
    await page.getByRole("button", { name: "Remove Erin Okafor" }).click();
    await expect(page.getByTestId("chip")).toHaveText(["Alice Liddell"]);
    await page.getByTestId("new-group-next").click();
    await page.getByTestId("group-name-input").fill("Planes");
    await page.getByTestId("group-description-input").fill("All about bench planes");
    await page.getByTestId("picture-input").setInputFiles({
      name: "wide.png",
      mimeType: "image/png",
      buffer: Buffer.from(await noisyPicture(page), "base64"),
    });
    await expect(page.getByTestId("picture-remove")).toBeVisible();
    await page.getByTestId("new-group-next").click();
    await expect(page.getByTestId("group-info-button")).toContainText("Planes");
    const params = (await lastParams(page, "groups.create")) as Record<string, string>;
    expect(params.description).toBe("All about bench planes");
    const { picture = "" } = params;
    expect(picture).toMatch(/^data:image\/(webp|jpeg);base64,/);
    expect(Buffer.from(picture.split(",")[1] ?? "", "base64").length).toBeLessThanOrEqual(32_768);
    const size = await page.evaluate(async (url) => {
      const image = new Image();
      image.src = url;
      await image.decode();
      return [image.naturalWidth, image.naturalHeight];
    }, picture);
    expect(size[0]).toBe(size[1]);
    expect(size[0]).toBeLessThanOrEqual(256);
    await expect(page.getByTestId("conversation").locator("header img")).toHaveAttribute(
      "src",
      picture,
    );
  });

  test("a file that is no picture is refused in words", async ({ page }) => {
    await openFake(page);
    await openNew(page);
    await page.getByTestId("new-group-next").click();
    await page
      .getByTestId("picture-input")
      .setInputFiles({ name: "a.png", mimeType: "image/png", buffer: Buffer.from("no picture") });
    await expect(page.getByTestId("new-group").getByRole("alert")).toContainText(
      "cannot be read as a picture",
    );
  });

  test("keeps what was typed when it fails, and going back keeps who was chosen", async ({
    page,
  }) => {
    await openFake(page);
    await openNew(page);
    await page.locator('[data-testid="people-option"][data-handle="alice"]').click();
    await page.getByTestId("new-group-next").click();
    await page.getByTestId("group-name-input").fill("Planes");
    await page.evaluate(() => window.fake.failNext("groups.create", "relay_unreachable"));
    await page.getByTestId("new-group-next").click();
    await expect(page.getByTestId("new-group").getByRole("alert")).toContainText(
      "The relay cannot be reached",
    );
    await page.getByTestId("new-group-back").click();
    await expect(page.getByTestId("chip")).toHaveText(["Alice Liddell"]);
    await page.getByTestId("new-group-next").click();
    await expect(page.getByTestId("group-name-input")).toHaveValue("Planes");
    await page.getByTestId("new-group-next").click();
    await expect(page.getByTestId("peer-state")).toHaveText("2 members");
  });
});

test.describe("in a group", () => {
  test("names those who write and who type, and says in words what happens", async ({ page }) => {
    const problems = await openGroup(page);
    await expect(page.getByTestId("peer-state")).toHaveText("6 members");
    await expect(notice(page, "You created the group")).toHaveCount(1);
    await expect(notice(page, "You added @alice and @carol")).toHaveCount(1);
    await expect(notice(page, "Alice Liddell changed the name to")).toHaveCount(1);
    await expect(notice(page, "set new messages to disappear after 7 days")).toHaveCount(1);
    // Two of Alice's in a row carry her name once.
    await expect(page.getByTestId("sender").filter({ hasText: "Alice Liddell" })).toHaveCount(1);
    await page.evaluate(() => window.fake.groupTyping("alice", true));
    await expect(page.getByTestId("peer-state")).toHaveText("Alice Liddell is typing…");
    await page.evaluate(() => window.fake.groupTyping("carol", true));
    await expect(page.getByTestId("peer-state")).toHaveText(
      "Alice Liddell and Carol Shaw are typing…",
    );
    await page.evaluate(() => window.fake.groupSays("alice", "Here I am"));
    await expect(page.getByTestId("peer-state")).toHaveText("Carol Shaw is typing…");
    await page.evaluate(() => window.fake.groupTyping("carol", false));
    await expect(page.getByTestId("peer-state")).toHaveText("6 members");
    await expect(item(page, GROUP)).toContainText("Alice Liddell: Here I am");
    expect(problems).toEqual([]);
  });

  for (const [type, people, words] of [
    ["added", ["dave_r"], "Alice Liddell added @dave_r"],
    ["removed", ["bob"], "Alice Liddell removed you"],
    ["promoted", ["carol"], "Alice Liddell made @carol an admin"],
    ["demoted", ["carol"], "Alice Liddell dismissed @carol as an admin"],
    ["added", ["a_a", "b_b", "c_c", "d_d"], "Alice Liddell added @a_a, @b_b and 2 more"],
    ["left", null, "Alice Liddell left"],
    ["joined", null, "Alice Liddell joined by an invite link"],
    ["described", null, "Alice Liddell changed the description"],
    ["pictured", null, "Alice Liddell changed the picture"],
  ] as const) {
    test(`words: ${words}`, async ({ page }) => {
      await openGroup(page);
      const told = {
        type,
        ...(people && {
          people: people.map((handle) => ({ userId: handle, handle, displayName: "" })),
        }),
      };
      await page.evaluate((given) => window.fake.groupNote("alice", given), told);
      await expect(page.getByTestId("notice").last()).toContainText(words);
      await expect(item(page, GROUP)).toContainText(words);
    });
  }

  test("whose name has not come yet is a group all the same", async ({ page }) => {
    await openGroup(page);
    await page.evaluate(() => {
      const log = window.fakeWorld.logs.find(({ kind }) => kind === "group");
      if (!log) throw new Error("There is no group.");
      log.settings.title = "";
      window.fakeWorld.tell("conversation.changed", log.summary());
    });
    await expect(page.getByTestId("group-info-button")).toHaveText("Group, group info");
    await expect(item(page, "Group")).toHaveCount(1);
  });

  test("who was removed reads on and cannot write", async ({ page }) => {
    await openGroup(page);
    await expect(page.getByTestId("composer-input")).toBeVisible();
    await page.evaluate(() => window.fake.groupDismissed());
    await expect(page.getByTestId("group-left")).toContainText(`no longer in ${GROUP}`);
    await expect(page.getByTestId("composer-input")).toHaveCount(0);
    await expect(notice(page, "Alice Liddell removed you")).toBeVisible();
    await page.getByTestId("group-info-button").click();
    await expect(page.getByTestId("group-info")).toBeVisible();
    await expect(page.getByTestId("leave-group")).toHaveCount(0);
    await expect(page.getByTestId("add-people")).toHaveCount(0);
  });
});

test.describe("the group's info", () => {
  test("opens and closes by keyboard, and the focus comes back", async ({ page }) => {
    await openGroup(page);
    await page.getByTestId("group-info-button").focus();
    await page.keyboard.press("Enter");
    await expect(page.getByTestId("group-info")).toBeVisible();
    await expect(page.getByTestId("member")).toHaveCount(6);
    await page.keyboard.press("Escape");
    await expect(page.getByTestId("group-info")).toHaveCount(0);
    await expect(page.getByTestId("group-info-button")).toBeFocused();
  });

  test("name and description change where they stand", async ({ page }) => {
    await openInfo(page);
    await page.getByTestId("group-name-edit").click();
    const name = page.getByTestId("group-name-input");
    await expect(name).toBeFocused();
    await name.fill("");
    await expect(page.getByText("The name cannot be empty.")).toBeVisible();
    await page.keyboard.press("Escape");
    await expect(page.getByTestId("group-name")).toHaveText(GROUP);
    await expect(page.getByTestId("group-info")).toBeVisible();
    await expect(page.getByTestId("group-name-edit")).toBeFocused();
    await page.keyboard.press("Enter");
    await page.keyboard.type("Joiners");
    await page.keyboard.press("Enter");
    await expect(page.getByTestId("group-info-button")).toContainText("Joiners");
    await expect(notice(page, "You changed the name to “Joiners”")).toBeVisible();
    await page.getByTestId("group-description-edit").click();
    await page.getByTestId("group-description-input").fill("Something else");
    await page.getByTestId("group-description-save").click();
    await expect(page.getByTestId("group-description")).toHaveText("Something else");
    await expect(notice(page, "You changed the description")).toBeVisible();
  });

  test("what fails stays in the field", async ({ page }) => {
    await openInfo(page);
    await page.evaluate(() => window.fake.failNext("groups.update", "not_allowed"));
    await page.getByTestId("group-name-edit").click();
    await page.getByTestId("group-name-input").fill("Mine");
    await page.getByTestId("group-name-save").click();
    await expect(page.getByText("Only an admin of the group may do that.")).toBeVisible();
    await expect(page.getByTestId("group-name-input")).toHaveValue("Mine");
  });

  test("an admin makes admins, dismisses and removes, by keyboard", async ({ page }) => {
    await openInfo(page);
    const button = member(page, "alice").getByTestId("member-button");
    await button.focus();
    await page.keyboard.press("Enter");
    await page.keyboard.press("ArrowDown");
    await expect(page.getByTestId("member-admin")).toBeFocused();
    await page.keyboard.press("Enter");
    await expect(member(page, "alice").getByTestId("admin-badge")).toBeVisible();
    await expect(notice(page, "You made @alice an admin")).toBeVisible();
    await button.click();
    await expect(page.getByTestId("member-admin")).toHaveText("Dismiss as admin");
    await page.keyboard.press("Escape");
    // Only the menu closed.
    await expect(page.getByTestId("group-info")).toBeVisible();
    await expect(button).toBeFocused();
    await page.keyboard.press("ArrowDown");
    await page.keyboard.press("Enter");
    await page.keyboard.press("End");
    await page.keyboard.press("Enter");
    const question = page.getByTestId("remove-member");
    await expect(question).toBeVisible();
    await expect(question.getByRole("button", { name: "Cancel" })).toBeFocused();
    await page.keyboard.press("Tab");
    await page.keyboard.press("Enter");
    await expect(page.getByTestId("member")).toHaveCount(5);
    await expect(page.getByTestId("member-count")).toHaveText("5 members");
    await expect(page.getByTestId("member-count")).toBeFocused();
    expect(await callsTo(page, "groups.remove")).toHaveLength(1);
  });

  test("whoever is no admin can only write to a member", async ({ page }) => {
    await openInfo(page, { groupRole: "member" });
    await expect(member(page, "alice").getByTestId("admin-badge")).toBeVisible();
    await expect(page.getByTestId("restrict-switch")).toHaveCount(0);
    await member(page, "carol").getByTestId("member-button").click();
    await expect(page.getByTestId("member-menu").getByRole("menuitem")).toHaveText([
      "Message Carol Shaw",
    ]);
    await page.getByTestId("member-message").click();
    await expect(page.getByTestId("conversation")).toContainText("@carol");
  });

  test("restricted: others than admins neither edit, add nor invite", async ({ page }) => {
    await openInfo(page, { groupRole: "member", groupRestricted: true });
    for (const testid of ["group-name-edit", "add-people", "invites", "picture-choose"]) {
      await expect(page.getByTestId(testid)).toHaveCount(0);
    }
    await expect(page.getByTestId("leave-group")).toBeVisible();
  });

  test("an admin restricts it", async ({ page }) => {
    await openInfo(page);
    await page.getByTestId("restrict-switch").focus();
    await page.keyboard.press("Space");
    await expect(notice(page, "You let only admins add people")).toBeVisible();
    await expect(page.getByTestId("restrict-switch")).toBeChecked();
  });

  test("people are added, those in it cannot be chosen, and a full group says so", async ({
    page,
  }) => {
    await openInfo(page);
    await page.getByTestId("add-people").click();
    const alice = page.locator('[data-testid="people-option"][data-handle="alice"]');
    await expect(alice).toContainText("In the group");
    // It says that it cannot be pressed; pressed all the same it does nothing.
    await alice.click({ force: true });
    await expect(page.getByTestId("chip")).toHaveCount(0);
    await page.getByTestId("people-input").fill("grace");
    await page.keyboard.press("Enter");
    await page.evaluate(() => window.fake.failNext("groups.add", "group_full"));
    await page.getByTestId("add-people-submit").click();
    await expect(page.getByTestId("add-people-dialog").getByRole("alert")).toContainText(
      "The group is full",
    );
    await page.getByTestId("add-people-submit").click();
    await expect(page.getByTestId("add-people-dialog")).toHaveCount(0);
    await expect(member(page, "grace")).toBeAttached();
    await expect(notice(page, "You added @grace")).toBeVisible();
  });

  test("leaving says what it means first", async ({ page }) => {
    await openInfo(page);
    await page.getByTestId("leave-group").click();
    const question = page.getByRole("alertdialog", { name: `Leave “${GROUP}”?` });
    await expect(question).toContainText("cannot write in it");
    await page.keyboard.press("Escape");
    await expect(question).toHaveCount(0);
    expect(await callsTo(page, "groups.leave")).toEqual([]);
    await page.getByTestId("leave-group").click();
    await page.getByTestId("leave-dialog-confirm").click();
    await expect(page.getByTestId("group-left")).toBeVisible();
    await expect(notice(page, "You left")).toBeVisible();
    await expect(page.getByTestId("group-info")).toHaveCount(0);
  });

  test("a thousand members scroll, are searched, and take one place in the Tab order", async ({
    page,
  }) => {
    await openInfo(page, { groupMembers: 999 });
    await expect(page.getByTestId("member-count")).toHaveText("1000 members");
    await expect(page.getByTestId("member")).toHaveCount(1_000);
    await expect(page.locator('[data-testid="member-button"][tabindex="0"]')).toHaveCount(1);
    await page.getByTestId("member-button").first().focus();
    await page.keyboard.press("End");
    const last = page.getByTestId("member-button").last();
    await expect(last).toBeFocused();
    await expect(last).toBeInViewport();
    await page.getByTestId("member-search").fill("member 977");
    await expect(page.getByTestId("member")).toHaveCount(1);
    await expect(page.getByText("1 found")).toBeVisible();
    await page.getByTestId("member-search").fill("nobody of that name");
    await expect(page.getByText("No member of that name.")).toBeVisible();
  });
});

test.describe("invite links", () => {
  test("are made with an end, copied, shown as a QR code and revoked", async ({
    page,
    context,
  }) => {
    await context.grantPermissions(["clipboard-read", "clipboard-write"]);
    const problems = await openInfo(page);
    await page.getByTestId("invites-toggle").click();
    await page.getByTestId("invite-expiry").selectOption({ label: "1 day" });
    await page.getByTestId("invite-uses").selectOption({ label: "10 people" });
    await page.getByTestId("invite-create").click();
    expect(await lastParams(page, "groups.createInvite")).toMatchObject({
      expiresIn: 86_400,
      maxUses: 10,
    });
    await expect(page.getByTestId("invite-state")).toHaveText(
      "Used 0 of 10 times · expires in 24 h",
    );
    await expect(page.getByTestId("invite-qr")).toBeVisible();
    await page.getByTestId("invite-copy").click();
    await expect(page.getByTestId("invite-said")).toHaveText("Copied");
    const link = (await page.getByTestId("invite-link").textContent()) ?? "";
    expect(link).toMatch(/^dovetail:join\?/);
    expect(await page.evaluate(() => navigator.clipboard.readText())).toBe(link);
    await page.getByTestId("invite-show-qr").click();
    await expect(page.getByTestId("invite-qr")).toHaveCount(0);
    await page.getByTestId("invite-revoke").click();
    await page.getByTestId("revoke-invite-confirm").click();
    await expect(page.getByTestId("invite")).toHaveCount(0);
    await expect(page.getByTestId("invites-toggle")).toBeFocused();
    expect(problems).toEqual([]);
  });

  test("by keyboard, without an end; too many say so", async ({ page }) => {
    await openInfo(page);
    await page.getByTestId("invites-toggle").focus();
    await page.keyboard.press("Enter");
    await page.keyboard.press("Tab");
    await expect(page.getByTestId("invite-expiry")).toBeFocused();
    await page.keyboard.press("N");
    await page.keyboard.press("Tab");
    await page.keyboard.press("Tab");
    await page.evaluate(() => window.fake.failNext("groups.createInvite", "too_many_invites"));
    await page.keyboard.press("Enter");
    await expect(page.getByTestId("invites").getByRole("alert")).toContainText("Revoke one first");
    await page.keyboard.press("Enter");
    await expect(page.getByTestId("invite-state")).toHaveText("Not used yet · never expires");
    await expect(page.getByTestId("invites").getByRole("alert")).toHaveCount(0);
  });
});

test.describe("joining", () => {
  test("with a pasted link, by keyboard", async ({ page }) => {
    const problems = await openFake(page);
    await page.getByTestId("new-button").focus();
    await page.keyboard.press("Enter");
    await page.keyboard.press("End");
    await page.keyboard.press("Enter");
    const input = page.getByTestId("invite-link-input");
    await expect(input).toBeFocused();
    await page.keyboard.press("Enter");
    await expect(page.getByText("Paste a link first.")).toBeVisible();
    await input.fill(LINK);
    await page.keyboard.press("Enter");
    await expect(page.getByTestId("invitation")).toContainText("Bench planes");
    await expect(page.getByTestId("invitation")).toContainText("3 members");
    await expect(page.getByTestId("join-submit")).toBeFocused();
    await page.keyboard.press("Enter");
    await expect(page.getByTestId("join-group")).toHaveCount(0);
    await expect(page.getByTestId("group-info-button")).toContainText("Bench planes");
    await expect(notice(page, "You joined by an invite link")).toBeVisible();
    expect(problems).toEqual([]);
  });

  test("with a link pasted where people are found", async ({ page }) => {
    await openFake(page);
    await page.getByTestId("search-input").fill(LINK);
    await page.getByTestId("search-join").click();
    await expect(page.getByTestId("invitation")).toContainText("Bench planes");
    await expect(page.getByTestId("search-input")).toHaveValue("");
    expect(await callsTo(page, "users.search")).toEqual([]);
  });

  test("with a link in a message", async ({ page }) => {
    await openFake(page);
    await item(page, "Alice Liddell").click();
    await page.evaluate((link) => window.fake.receive(`Come: ${link}.`), LINK);
    await page.getByTestId("join-link").click();
    await page.getByTestId("join-submit").click();
    await expect(page.getByTestId("group-info-button")).toContainText("Bench planes");
  });

  test("what is wrong with a link stands beside it", async ({ page }) => {
    await openFake(page);
    await page.getByTestId("new-button").click();
    await page.getByTestId("join-group-button").click();
    const input = page.getByTestId("invite-link-input");
    await input.fill("dovetail:join?relay=wss%3A%2F%2Felsewhere.example&code=7KQ2M9XWTB4D");
    await expect(page.getByText("This code is of another relay")).toBeVisible();
    await input.fill(LINK.replace("join", "link"));
    await expect(page.getByText("This links a device")).toBeVisible();
    await input.fill("7KQ2");
    await page.getByTestId("invite-look").click();
    await expect(page.getByText("This is not a whole invite link.")).toBeVisible();
    await input.fill("0000-0000-0000");
    await page.getByTestId("invite-look").click();
    const alert = page.getByTestId("join-group").getByRole("alert");
    await expect(alert).toContainText("This link does not work");
    await input.fill("7kq2-m9xw-tb4d");
    await page.getByTestId("invite-look").click();
    for (const [code, words] of [
      ["group_full", "The group is full"],
      ["link_invalid", "This link does not work"],
      ["relay_unreachable", "The relay cannot be reached"],
    ] as const) {
      await page.evaluate((failing) => window.fake.failNext("groups.join", failing), code);
      await page.getByTestId("join-submit").click();
      await expect(alert).toContainText(words);
    }
    await page.getByTestId("join-submit").click();
    await expect(page.getByTestId("group-info-button")).toContainText("Bench planes");
  });

  test("a link into one's own group opens it", async ({ page }) => {
    await openInfo(page);
    await page.getByTestId("invites-toggle").click();
    await page.getByTestId("invite-create").click();
    const link = (await page.getByTestId("invite-link").textContent()) ?? "";
    await item(page, "Alice Liddell").click();
    await page.getByTestId("search-input").fill(link);
    await page.keyboard.press("Enter");
    await expect(page.getByTestId("invitation")).toContainText("You are in this group already.");
    await page.getByTestId("join-submit").click();
    await expect(page.getByTestId("group-info-button")).toContainText(GROUP);
    expect(await callsTo(page, "groups.join")).toEqual([]);
  });
});

for (const colorScheme of ["light", "dark"] as const) {
  for (const width of [1180, 380]) {
    test(`no serious accessibility findings: ${colorScheme}, ${width} wide`, async ({ page }) => {
      await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
      await page.setViewportSize({ width, height: 700 });
      await openFake(page, { groupMembers: 12 });
      const findings = async () => expect(await seriousFindings(page)).toEqual([]);
      await page.getByTestId("new-button").click();
      await findings();
      await page.getByTestId("new-group-button").click();
      await page.locator('[data-testid="people-option"][data-handle="alice"]').click();
      await findings();
      await page.getByTestId("new-group-next").click();
      await findings();
      await page.keyboard.press("Escape");
      await item(page, GROUP).click();
      await expect(page.getByTestId("notice").first()).toBeAttached();
      await findings();
      await page.getByTestId("group-info-button").click();
      await page.getByTestId("invites-toggle").click();
      await page.getByTestId("invite-create").click();
      await expect(page.getByTestId("invite-qr")).toBeVisible();
      await findings();
      const { scrollWidth, clientWidth } = await page.evaluate(() => document.documentElement);
      expect(scrollWidth).toBe(clientWidth);
      await member(page, "alice").getByTestId("member-button").click();
      await findings();
      await page.keyboard.press("Escape");
      await page.getByTestId("leave-group").click();
      await findings();
    });
  }
}

/** A wide PNG of noise, which compresses badly, in base64. */
const noisyPicture = (page: Page): Promise<string> =>
  page.evaluate(() => {
    const canvas = document.createElement("canvas");
    canvas.width = 700;
    canvas.height = 400;
    const context = canvas.getContext("2d");
    const data = context?.createImageData(700, 400);
    if (!context || !data) throw new Error("no canvas");
    let state = 1;
    for (let i = 0; i < data.data.length; i++) {
      state = Math.imul(state, 1_664_525) + 1_013_904_223;
      data.data[i] = i % 4 === 3 ? 255 : state >>> 24;
    }
    context.putImageData(data, 0, 0);
    return canvas.toDataURL("image/png").split(",")[1] ?? "";
  });
