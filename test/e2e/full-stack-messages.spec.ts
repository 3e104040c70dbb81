/** What two people do with messages, by mouse and by keyboard, from the page to the relay. */
import { expect } from "@playwright/test";
import { type Seat, test, twoPeople } from "./seat.js";

/** A quote repeats what it answers: the message itself comes first. */
const first = (seat: Seat, text: string) => seat.message(text).first();

/** More than any menu has. */
const MOST_ITEMS = 12;

async function byMouse(seat: Seat, text: string, action: string): Promise<void> {
  await first(seat, text).locator(".bubble").click({ button: "right" });
  await seat.page.getByTestId(`menu-${action}`).click();
}

/** From the list with the arrows to the message, in its menu to the item. */
async function byKeyboard(seat: Seat, text: string, action: string): Promise<void> {
  const { page } = seat;
  await page.getByTestId("message-list").focus();
  await until(seat, "ArrowUp", () => first(seat, text).evaluate(isFocused));
  await page.keyboard.press("Enter");
  await expect(page.getByTestId("message-menu")).toBeVisible();
  await until(seat, "ArrowDown", () => page.getByTestId(`menu-${action}`).evaluate(isFocused));
  await page.keyboard.press("Enter");
}

const isFocused = (element: Element): boolean => element === document.activeElement;

async function until(seat: Seat, key: string, reached: () => Promise<boolean>): Promise<void> {
  for (let presses = 0; presses < MOST_ITEMS; presses++) {
    if (await reached()) return;
    await seat.page.keyboard.press(key);
  }
  throw new Error(`${key} does not lead there.`);
}

async function chooseOfConversation({ page }: Seat, item: string): Promise<void> {
  await page.getByTestId("conversation-menu").click();
  await page.getByTestId(`menu-${item}`).click();
}

test("answering, editing, reacting, forwarding, starring, pinning, finding and deleting", async ({
  scene,
  browser,
}) => {
  const { alice, bob } = await twoPeople(scene, browser);
  await alice.find("bob");
  await alice.say("Shall we glue it?");
  await bob.openFirst();

  await byKeyboard(bob, "Shall we glue it?", "reply");
  await expect(bob.page.getByTestId("composer-input")).toBeFocused();
  await bob.page.keyboard.type("Tomorow");
  await bob.page.keyboard.press("Enter");
  await expect(alice.message("Tomorow").getByTestId("quote")).toContainText("Shall we glue it?");
  await byMouse(bob, "Tomorow", "edit");
  await bob.say("Tomorrow");
  await expect(alice.message("Tomorrow").getByTestId("edited")).toBeVisible();
  await expect(alice.message("Tomorow")).toHaveCount(0);

  await byKeyboard(alice, "Tomorrow", "react");
  await alice.page.getByTestId("reaction-picker").locator('[data-emoji="👍"]').click();
  await expect(bob.page.getByTestId("reaction")).toHaveAccessibleName(/thumbs up: Alice/);
  await alice.page.getByTestId("reaction").click();
  await expect(bob.page.getByTestId("reaction")).toHaveCount(0);

  await byMouse(alice, "Tomorrow", "forward");
  await alice.page.getByTestId("forward-search").fill("bob");
  await alice.page.getByTestId("forward-choice").check();
  await alice.page.getByTestId("forward-submit").click();
  await expect(bob.message("Tomorrow")).toHaveCount(2);
  await expect(bob.message("Tomorrow").last()).toContainText("Forwarded");

  await byKeyboard(bob, "Shall we glue it?", "star");
  await expect(first(bob, "Shall we glue it?").getByTestId("mark-star")).toBeVisible();
  await byMouse(bob, "Shall we glue it?", "pin");
  await expect(alice.page.getByTestId("pinned-bar")).toContainText("Shall we glue it?");
  await expect(alice.page.getByTestId("mark-star")).toHaveCount(0);

  await alice.page.keyboard.press("Control+f");
  await alice.page.keyboard.type("glue");
  await expect(alice.page.getByTestId("search-status")).toHaveText("1 found");
  await alice.page.keyboard.press("Escape");
  await expect(alice.page.getByTestId("search-panel")).toHaveCount(0);

  await byKeyboard(alice, "Shall we glue it?", "delete");
  await alice.page.getByTestId("delete-for-everyone").press("Enter");
  await expect(bob.message("This message was deleted")).toBeVisible();
  await expect(bob.page.getByTestId("pinned-bar")).toHaveCount(0);
  await chooseOfConversation(bob, "starred");
  await expect(bob.page.getByTestId("starred-message")).toHaveCount(0);
  await expect(bob.page.getByText("No starred messages yet.")).toBeVisible();
});

test("messages that disappear, and somebody who is blocked and unblocked", async ({
  scene,
  browser,
}) => {
  const { alice, bob } = await twoPeople(scene, browser);
  await alice.find("bob");
  await alice.say("Hello");
  await bob.openFirst();
  await bob.say("Hello yourself");
  await expect(alice.message("Hello yourself")).toBeVisible();

  await chooseOfConversation(alice, "timer");
  await alice.page.getByTestId("timer-604800").check();
  await alice.page.getByTestId("timer-save").click();
  const words = "Alice set new messages to disappear after 7 days";
  await expect(bob.page.getByTestId("notice").filter({ hasText: words })).toBeVisible();
  await bob.say("For a week");
  await expect(alice.message("For a week").getByTestId("mark-timer")).toBeVisible();
  await expect(bob.message("Hello yourself").getByTestId("mark-timer")).toHaveCount(0);

  await chooseOfConversation(alice, "block");
  await alice.page.getByTestId("block-dialog-confirm").click();
  await expect(alice.page.getByTestId("blocked-bar")).toBeVisible();
  await bob.say("Do you hear me?");
  // They are not told that they are blocked.
  await expect(bob.state("Do you hear me?")).toHaveAttribute("data-state", "delivered");
  await alice.page.getByTestId("unblock").press("Enter");
  await expect(alice.page.getByTestId("composer-input")).toBeVisible();
  await bob.say("And now?");
  await expect(alice.message("And now?")).toBeVisible();
  await expect(alice.message("Do you hear me?")).toHaveCount(0);
});
