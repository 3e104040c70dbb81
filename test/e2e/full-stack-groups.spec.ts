/** Groups and several devices, from the page to the relay: what everybody in them sees. */
import { expect, type Page } from "@playwright/test";
import { Seat, test, threePeople } from "./seat.js";

const GROUP = "Sharpening";

const member = (page: Page, handle: string) =>
  page.locator(`[data-testid="member"][data-handle="${handle}"]`);

async function openGroup(seat: Seat): Promise<void> {
  await seat.page.getByTestId("conversation-item").filter({ hasText: GROUP }).click();
  await expect(seat.page.getByTestId("group-info-button")).toContainText(GROUP);
}

/** By keyboard alone. */
async function makeGroup({ page }: Seat, handles: readonly string[]): Promise<void> {
  await page.getByTestId("new-button").focus();
  await page.keyboard.press("Enter");
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("Enter");
  await expect(page.getByTestId("people-input")).toBeFocused();
  for (const handle of handles) {
    await page.keyboard.type(handle);
    await expect(page.getByTestId("people-option")).toHaveCount(1);
    await page.keyboard.press("Enter");
  }
  await page.keyboard.press("Enter");
  await expect(page.getByTestId("group-name-input")).toBeFocused();
  await page.keyboard.type(GROUP);
  await page.keyboard.press("Enter");
  await expect(page.getByTestId("group-info-button")).toContainText(GROUP);
}

/** By mouse. */
async function inviteLink({ page }: Seat): Promise<string> {
  await page.getByTestId("group-info-button").click();
  await page.getByTestId("invites-toggle").click();
  await page.getByTestId("invite-create").click();
  return (await page.getByTestId("invite-link").textContent()) ?? "";
}

/** By keyboard alone. */
async function join({ page }: Seat, link: string): Promise<void> {
  await page.getByTestId("new-button").focus();
  await page.keyboard.press("Enter");
  await page.keyboard.press("End");
  await page.keyboard.press("Enter");
  await expect(page.getByTestId("invite-link-input")).toBeFocused();
  await page.keyboard.insertText(link);
  await page.keyboard.press("Enter");
  await expect(page.getByTestId("invitation")).toContainText(GROUP);
  await page.keyboard.press("Enter");
  await expect(page.getByTestId("group-info-button")).toContainText(GROUP);
}

test("a group is made, joined by a link, talked in, ruled and left, and all see the same", async ({
  scene,
  browser,
}) => {
  test.setTimeout(90_000);
  const { alice, bob, carol } = await threePeople(scene, browser);
  await makeGroup(alice, ["bob"]);
  await openGroup(bob);
  await expect(bob.notice("Alice created the group")).toBeVisible();
  await join(carol, await inviteLink(alice));
  for (const seat of [alice, bob]) {
    await expect(seat.notice("Carol joined by an invite link")).toBeVisible();
  }
  await expect(alice.page.getByTestId("invite-state")).toContainText("Used 1 time");

  await alice.say("Water stones or oil?");
  for (const seat of [bob, carol]) {
    await expect(seat.message("Water stones or oil?")).toBeVisible();
  }
  await expect(alice.state("Water stones or oil?")).toHaveAttribute("data-state", "read");
  await carol.choose("Water stones or oil?", "react");
  await carol.page.getByTestId("reaction-picker").locator('[data-emoji="👍"]').click();
  await bob.choose("Water stones or oil?", "reply");
  await bob.say("Watter");
  await expect(carol.page.getByTestId("quote")).toContainText("Water stones or oil?");
  await bob.page.getByTestId("composer-input").press("ArrowUp");
  await bob.page.getByTestId("composer-input").fill("Water");
  await bob.page.getByTestId("composer-input").press("Enter");
  for (const seat of [alice, carol]) {
    await expect(seat.page.getByTestId("edited")).toBeVisible();
    await expect(seat.message("Watter")).toHaveCount(0);
  }
  await expect(bob.page.getByTestId("reaction")).toHaveAccessibleName(/thumbs up: Carol/);

  const boss = member(alice.page, "bob").getByTestId("member-button");
  await boss.focus();
  await alice.page.keyboard.press("Enter");
  await alice.page.keyboard.press("ArrowDown");
  await expect(alice.page.getByTestId("member-admin")).toBeFocused();
  await alice.page.keyboard.press("Enter");
  for (const seat of [bob, carol]) await expect(seat.notice(/Alice made .*an admin/)).toBeVisible();
  await bob.page.getByTestId("group-info-button").click();
  await member(bob.page, "carol").getByTestId("member-button").click();
  await bob.page.getByTestId("member-remove").click();
  await bob.page.getByTestId("remove-member-confirm").click();
  await expect(alice.notice("Bob removed @carol")).toBeVisible();
  await expect(carol.page.getByTestId("composer-input")).toHaveCount(0);
  await alice.say("Only the two of us");
  await expect(bob.message("Only the two of us")).toBeVisible();
  await expect(carol.message("Water stones or oil?")).toHaveCount(2);
  await expect(carol.message("Only the two of us")).toHaveCount(0);
  await bob.page.getByTestId("leave-group").click();
  await bob.page.getByTestId("leave-dialog-confirm").click();
  await expect(alice.notice("Bob left")).toBeVisible();
});

test("a second device is linked by a code, shows the same history, and is out once it is removed", async ({
  scene,
  browser,
}) => {
  test.setTimeout(90_000);
  const { relay, alice, bob } = await threePeople(scene, browser);
  await makeGroup(alice, ["bob"]);
  await alice.say("before the second device");
  await openGroup(bob);
  await bob.say("heard");
  await expect(alice.message("heard")).toBeVisible();

  await alice.page.getByTestId("settings-button").click();
  await alice.page.getByTestId("link-device").click();
  const code = (await alice.page.getByTestId("pairing-code").textContent()) ?? "";
  const laptop = await Seat.take(scene, browser, relay);
  await laptop.page.getByTestId("have-account").focus();
  await laptop.page.keyboard.press("Enter");
  await expect(laptop.page.getByTestId("link-code-input")).toBeFocused();
  await laptop.page.keyboard.insertText(code);
  await laptop.page.keyboard.press("Enter");
  await expect(laptop.page.getByTestId("search-input")).toBeVisible();
  await expect(alice.page.getByTestId("link-dialog")).toContainText("is linked to your account");
  await alice.page.getByRole("button", { name: "Done" }).click();

  await openGroup(laptop);
  await expect(laptop.message("before the second device")).toHaveAttribute("data-mine", "true");
  await expect(laptop.message("heard")).toBeVisible();
  await bob.say("to both of you");
  await expect(laptop.message("to both of you")).toBeVisible();
  await laptop.say("from the other one");
  await alice.page.keyboard.press("Escape");
  await expect(alice.message("from the other one")).toHaveAttribute("data-mine", "true");
  await expect(bob.message("from the other one")).toContainText("Alice");

  await alice.page.getByTestId("settings-button").click();
  await alice.page.getByTestId("device-remove").click();
  await alice.page.getByTestId("remove-device-confirm").click();
  await expect(laptop.page.getByText("This device was removed from your account.")).toBeVisible();
  await expect(alice.page.getByTestId("device-item")).toHaveCount(1);
});
