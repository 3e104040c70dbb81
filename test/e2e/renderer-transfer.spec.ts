/** History on its way between two devices, in the renderer on a host made up in the page: see fake-host.ts. */
import { expect, type Page, test } from "@playwright/test";
import type { Transfer } from "../../shared/client-api.js";
import type { DeviceId } from "../../shared/ids.js";
import { openFake } from "./fake-host.js";
import { seriousFindings } from "./page-checks.js";

/** "Workshop laptop" in the fake. */
const LAPTOP = "3".padStart(32, "0") as DeviceId;

const transfer = (change: Partial<Transfer> = {}): Transfer => ({
  direction: "receiving",
  deviceId: LAPTOP,
  done: 12_400,
  total: 100_000,
  remainingMs: 118_000,
  ...change,
});

const tell = (page: Page, ...transfers: Transfer[]) =>
  page.evaluate((now) => window.fakeWorld.tell("transfer.changed", { transfers: now }), transfers);

test.beforeEach(async ({ page }) => {
  expect(await openFake(page)).toEqual([]);
  await expect(page.getByTestId("conversation-item").first()).toBeVisible();
});

test("says from where, how far and how long, and goes when it is over", async ({ page }) => {
  await expect(page.getByTestId("transfer")).toHaveCount(0);
  await tell(page, transfer());
  await expect(page.getByTestId("transfer")).toHaveText(
    "Getting your messages from Workshop laptop: 12,400 of 100,000, about 2 minutes left",
  );
  const bar = page.getByRole("progressbar", {
    name: "Getting your messages from Workshop laptop",
  });
  await expect(bar).toHaveAttribute("aria-valuenow", "12");
  await expect(bar).toHaveAttribute("aria-valuetext", /^12,400 of 100,000/);
  await tell(page, transfer({ done: 99_999, remainingMs: null }));
  await expect(bar).toHaveAttribute("aria-valuenow", "99");
  await expect(page.getByTestId("transfer")).toHaveText(
    "Getting your messages from Workshop laptop: 99,999 of 100,000",
  );
  await tell(page);
  await expect(page.getByTestId("transfer")).toHaveCount(0);
});

test("shows both ways and a device whose name is not known", async ({ page }) => {
  const deviceId = "77".padStart(32, "0") as DeviceId;
  await tell(
    page,
    transfer(),
    transfer({ direction: "sending", deviceId, remainingMs: 7_300_000 }),
  );
  await expect(page.getByTestId("transfer")).toHaveCount(2);
  await expect(page.getByTestId("transfer").nth(1)).toHaveText(
    "Giving your other device your messages: 12,400 of 100,000, about 2 hours left",
  );
});

test("is announced in quarters, not with every count", async ({ page }) => {
  const spoken = page.getByTestId("transfer-spoken");
  await expect(spoken).toHaveText("");
  await tell(page, transfer({ done: 0 }));
  await tell(page, transfer({ done: 1_000 }));
  await expect(spoken).toHaveText("Getting your messages from Workshop laptop: 0%");
  await spoken.evaluate((element) => {
    const changes = new MutationObserver(() => element.setAttribute("data-again", ""));
    changes.observe(element, { characterData: true, childList: true, subtree: true });
  });
  await tell(page, transfer({ done: 24_000 }));
  await expect(page.getByTestId("transfer")).toContainText("24,000");
  await expect(spoken).not.toHaveAttribute("data-again");
  await tell(page, transfer({ done: 26_000 }));
  await expect(spoken).toHaveText(/: 25%$/);
  await tell(page);
  await expect(spoken).toHaveText("Done moving messages between your devices.");
});

test("what came in bulk is shown once it is over", async ({ page }) => {
  await page.getByTestId("conversation-item").first().click();
  await expect(page.getByTestId("message").last()).toBeInViewport();
  await tell(page, transfer());
  await page.evaluate(() => {
    const log = window.fakeWorld.logs[0];
    for (let i = 0; i < 150; i++) log?.added.push(log.make(log.length, false, `moved ${i}`));
  });
  await tell(page);
  await expect(page.getByTestId("message").last()).toContainText("moved 149");
  await expect(page.getByTestId("message").last()).toBeInViewport();
});

for (const colorScheme of ["light", "dark"] as const) {
  test(`axe finds nothing serious (${colorScheme}), and nothing is cut off`, async ({ page }) => {
    await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
    await page.setViewportSize({ width: 320, height: 560 });
    await tell(page, transfer());
    const shown = page.getByTestId("transfer");
    await expect(shown).toBeVisible();
    expect(await shown.evaluate((each) => each.scrollWidth - each.clientWidth)).toBe(0);
    expect(await seriousFindings(page)).toEqual([]);
  });
}
