/** Several devices in the renderer, on a host made up in the page: see fake-host.ts. */
import { expect, type Page, test } from "@playwright/test";
import { openFake } from "./fake-host.js";
import { callsTo, seriousFindings } from "./page-checks.js";

const deviceNamed = (page: Page, name: string) =>
  page.getByTestId("device-item").filter({ hasText: name });

async function openSettings(page: Page): Promise<void> {
  await page.getByTestId("settings-button").click();
  await expect(page.getByTestId("device-item")).toHaveCount(3);
}

test.describe("the list of devices", () => {
  test("says which one this is, which are there, and since when", async ({ page }) => {
    const problems = await openFake(page);
    await openSettings(page);
    await expect(page.getByTestId("device-item").first()).toContainText("Desk computer");
    await expect(deviceNamed(page, "Desk computer")).toContainText("This device");
    await expect(deviceNamed(page, "Desk computer").getByTestId("device-remove")).toHaveCount(0);
    await expect(deviceNamed(page, "Workshop laptop")).toContainText("Online");
    await expect(deviceNamed(page, "Old laptop")).toContainText("Last seen 40 min ago");
    await expect(deviceNamed(page, "Old laptop")).toContainText("added today");
    expect(problems).toEqual([]);
  });

  test("removes one, after saying what that means", async ({ page }) => {
    await openFake(page);
    await openSettings(page);
    await deviceNamed(page, "Old laptop").getByTestId("device-remove").click();
    const question = page.getByRole("alertdialog", { name: "Remove “Old laptop”?" });
    await expect(question).toContainText("signed out at once");
    await question.getByRole("button", { name: "Cancel" }).click();
    await expect(question).toHaveCount(0);
    expect(await callsTo(page, "devices.remove")).toEqual([]);
    await deviceNamed(page, "Old laptop").getByTestId("device-remove").click();
    await page.getByTestId("remove-device-confirm").click();
    await expect(deviceNamed(page, "Old laptop")).toHaveCount(0);
    await expect(page.getByTestId("device-item")).toHaveCount(2);
    await expect(page.getByTestId("link-device")).toBeFocused();
    expect(await callsTo(page, "devices.remove")).toHaveLength(1);
  });

  test("keeps the question open when removing fails", async ({ page }) => {
    await openFake(page);
    await openSettings(page);
    await page.evaluate(() => window.fake.failNext("devices.remove", "relay_unreachable"));
    await deviceNamed(page, "Old laptop").getByTestId("device-remove").click();
    await page.getByTestId("remove-device-confirm").click();
    await expect(page.getByTestId("remove-device").getByRole("alert")).toContainText(
      "The relay cannot be reached",
    );
    await expect(deviceNamed(page, "Old laptop")).toHaveCount(1);
  });
});

test.describe("linking a device", () => {
  test("shows a code and its QR code, and tells when it was used", async ({ page }) => {
    const problems = await openFake(page);
    await openSettings(page);
    await page.getByTestId("link-device").click();
    await expect(page.getByTestId("pairing-code")).toHaveText("7KQ2-M9XW-TB4D");
    await expect(page.getByRole("timer")).toContainText(/[45]:\d\d/);
    const qr = page.getByRole("img", { name: "QR code" });
    await expect(qr).toBeVisible();
    await expect(qr.locator("path")).toHaveAttribute("d", /^M4 4h7v1h-7z/);
    await page.evaluate(() => window.fake.linkDevice("New laptop"));
    await expect(page.getByTestId("link-dialog")).toContainText(
      "New laptop is linked to your account.",
    );
    await page.getByRole("button", { name: "Done" }).click();
    await expect(page.getByTestId("link-dialog")).toHaveCount(0);
    await expect(deviceNamed(page, "New laptop")).toBeVisible();
    expect(await callsTo(page, "devices.cancelPairing")).toEqual([]);
    expect(problems).toEqual([]);
  });

  test("closing takes the code back", async ({ page }) => {
    await openFake(page);
    await openSettings(page);
    await page.getByTestId("link-device").click();
    await expect(page.getByTestId("pairing-code")).toBeVisible();
    await page.keyboard.press("Escape");
    await expect(page.getByTestId("link-dialog")).toHaveCount(0);
    await expect(page.getByTestId("settings")).toBeVisible();
    await expect(page.getByTestId("link-device")).toBeFocused();
    expect(await callsTo(page, "devices.cancelPairing")).toHaveLength(1);
  });

  test("a code that comes after the dialog was closed is taken back as well", async ({ page }) => {
    await openFake(page, { latency: 200 });
    await openSettings(page);
    await page.getByTestId("link-device").click();
    await expect.poll(() => callsTo(page, "devices.pair")).toHaveLength(1);
    await page.keyboard.press("Escape");
    await expect.poll(() => callsTo(page, "devices.cancelPairing")).toHaveLength(1);
  });

  test("an expired code is gone, and a new one can be had", async ({ page }) => {
    await openFake(page, { codeLife: 1_500 });
    await openSettings(page);
    await page.getByTestId("link-device").click();
    await expect(page.getByTestId("pairing-code")).toBeVisible();
    await expect(page.getByText("The code has expired.")).toBeVisible();
    await expect(page.getByTestId("pairing-code")).toHaveCount(0);
    await expect(page.getByTestId("pairing-qr")).toHaveCount(0);
    await page.getByRole("button", { name: "Show a new code" }).click();
    await expect(page.getByTestId("pairing-code")).toBeVisible();
    expect(await callsTo(page, "devices.pair")).toHaveLength(2);
  });

  test("says why there is no code, and tries again", async ({ page }) => {
    await openFake(page);
    await openSettings(page);
    await page.evaluate(() => window.fake.failNext("devices.pair", "too_many_devices"));
    await page.getByTestId("link-device").click();
    await expect(page.getByTestId("link-dialog").getByRole("alert")).toContainText(
      "as many devices as it may have",
    );
    await page.getByRole("button", { name: "Try again" }).click();
    await expect(page.getByTestId("pairing-code")).toBeVisible();
  });
});

test.describe("joining with a code", () => {
  test("checks the code while one types, forgives look-alikes, and moves on", async ({ page }) => {
    const problems = await openFake(page, { registered: false, linkCode: "7KQ2M9XWTB10" });
    await page.getByTestId("have-account").click();
    const input = page.getByTestId("link-code-input");
    await expect(input).toBeFocused();
    await input.fill("7kq2 m9!");
    await expect(page.getByText("“!” is never part of a code.")).toBeVisible();
    await input.fill("7kq2 m9");
    await expect(page.getByText("6 more to go.")).toBeVisible();
    await expect(input).toHaveAttribute("aria-invalid", "false");
    await page.keyboard.press("Enter");
    await expect(input).toHaveAttribute("aria-invalid", "true");
    await input.fill("7kq2-m9xw-tblo");
    await expect(page.getByText("Your code: 7KQ2-M9XW-TB10")).toBeVisible();
    await page.getByTestId("link-submit").click();
    await expect(page.getByTestId("conversation-list")).toBeVisible();
    expect(await callsTo(page, "account.link")).toEqual([
      ["account.link", { code: "7KQ2M9XWTB10" }],
    ]);
    expect(problems).toEqual([]);
  });

  test("takes what the QR code says, where it is of this relay", async ({ page }) => {
    await openFake(page, { registered: false });
    await page.getByTestId("have-account").click();
    const input = page.getByTestId("link-code-input");
    await input.fill("dovetail:link?relay=wss%3A%2F%2Fother.example&code=7KQ2M9XWTB4D");
    await expect(
      page.getByText("This code is of another relay: wss://other.example."),
    ).toBeVisible();
    await page.getByTestId("link-submit").click();
    expect(await callsTo(page, "account.link")).toEqual([]);
    await input.fill("dovetail:link?relay=ws%3A%2F%2F127.0.0.1%3A8787&code=7KQ2M9XWTB4D");
    await page.getByTestId("link-submit").click();
    await expect(page.getByTestId("conversation-list")).toBeVisible();
  });

  test("what fails once one is in is shown in the app", async ({ page }) => {
    await openFake(page, { registered: false });
    await page.getByTestId("have-account").click();
    await page.getByTestId("link-code-input").fill("7KQ2M9XWTB4D");
    await page.evaluate(() => window.fake.failNext("conversations.list", "timeout"));
    await page.getByTestId("link-submit").click();
    await expect(page.getByRole("alert")).toContainText("No answer came in time.");
  });

  for (const [code, words] of [
    ["pairing_unknown", "wrong, used, or too old"],
    ["relay_unreachable", "The relay cannot be reached"],
    ["too_many_devices", "as many devices as it may have"],
  ] as const) {
    test(`puts ${code} beside the field`, async ({ page }) => {
      await openFake(page, { registered: false });
      await page.getByTestId("have-account").click();
      const input = page.getByTestId("link-code-input");
      await input.fill("7KQ2-M9XW-TB4D");
      await page.evaluate((next) => window.fake.failNext("account.link", next), code);
      await page.getByTestId("link-submit").click();
      await expect(input).toHaveAccessibleDescription(new RegExp(words));
      await expect(input).toBeFocused();
      await page.getByTestId("link-submit").click();
      await expect(page.getByTestId("conversation-list")).toBeVisible();
    });
  }

  test("waits in words, and one can go back", async ({ page }) => {
    await openFake(page, { registered: false, latency: 300 });
    await page.getByTestId("have-account").click();
    await page.getByTestId("link-code-input").fill("0000-0000-0000");
    await page.getByTestId("link-submit").click();
    await expect(page.getByTestId("link-submit")).toHaveText("Waiting for your other device…");
    await page.getByTestId("link-back").click();
    await expect(page.getByTestId("handle-input")).toBeFocused();
  });
});

test("a removed device is told so, in the connection line and above everything", async ({
  page,
}) => {
  await openFake(page);
  await expect(page.getByTestId("conversation-item").first()).toBeVisible();
  await expect(page.getByTestId("removed-notice")).toHaveCount(0);
  await page.evaluate(() =>
    window.fake.connection({ relay: "offline", error: "device_removed", direct: [] }),
  );
  await expect(page.getByTestId("removed-notice")).toContainText(
    "This device was removed from your account.",
  );
  await expect(page.getByTestId("connection-state")).toHaveText("This device was removed");
  await page.getByTestId("conversation-item").first().click();
  await expect(page.getByTestId("message").last()).toBeInViewport();
  await expect(page.getByTestId("composer-input")).toBeInViewport();
});

test("everything goes by keyboard alone", async ({ page }) => {
  await openFake(page);
  await expect(page.getByTestId("conversation-item").first()).toBeVisible();
  await page.keyboard.press("Control+,");
  await expect(page.getByTestId("device-item")).toHaveCount(3);
  const reach = async (testid: string) => {
    for (let presses = 0; presses < 12; presses++) {
      await page.keyboard.press("Tab");
      if (
        await page.evaluate(
          (id) => document.activeElement?.matches(`[data-testid="${id}"]`),
          testid,
        )
      )
        return;
    }
    throw new Error(`Tab does not reach ${testid}`);
  };
  await reach("link-device");
  await page.keyboard.press("Enter");
  await expect(page.getByTestId("pairing-code")).toBeVisible();
  await page.keyboard.press("Escape");
  await expect(page.getByTestId("link-device")).toBeFocused();
  await reach("device-remove");
  await page.keyboard.press("Enter");
  await expect(page.getByRole("alertdialog").getByText("Cancel")).toBeFocused();
  await reach("remove-device-confirm");
  await page.keyboard.press("Enter");
  await expect(page.getByTestId("device-item")).toHaveCount(2);
  await page.keyboard.press("Escape");
  await expect(page.getByTestId("settings")).toHaveCount(0);
});

for (const colorScheme of ["light", "dark"] as const) {
  test(`axe finds nothing serious (${colorScheme})`, async ({ page }) => {
    await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
    await openFake(page);
    await openSettings(page);
    expect(await seriousFindings(page)).toEqual([]);
    await page.getByTestId("link-device").click();
    await expect(page.getByTestId("pairing-code")).toBeVisible();
    expect(await seriousFindings(page)).toEqual([]);
    await page.keyboard.press("Escape");
    await deviceNamed(page, "Old laptop").getByTestId("device-remove").click();
    expect(await seriousFindings(page)).toEqual([]);
    await page.keyboard.press("Escape");
    await page.keyboard.press("Escape");
    await page.evaluate(() =>
      window.fake.connection({ relay: "offline", error: "device_removed" }),
    );
    await expect(page.getByTestId("removed-notice")).toBeVisible();
    expect(await seriousFindings(page)).toEqual([]);
  });

  test(`axe finds nothing serious in joining (${colorScheme})`, async ({ page }) => {
    await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
    await openFake(page, { registered: false });
    await page.getByTestId("have-account").click();
    await page.getByTestId("link-code-input").fill("!");
    expect(await seriousFindings(page)).toEqual([]);
    await page.getByTestId("link-code-input").fill("7KQ2M9XWTB4D");
    expect(await seriousFindings(page)).toEqual([]);
  });
}

test("a narrow window cuts nothing off", async ({ page }) => {
  await page.setViewportSize({ width: 320, height: 560 });
  await openFake(page);
  await openSettings(page);
  const wide = (testid: string) =>
    page.getByTestId(testid).evaluate((shown) => shown.scrollWidth - shown.clientWidth);
  expect(await wide("settings")).toBe(0);
  await page.getByTestId("link-device").click();
  await expect(page.getByTestId("pairing-code")).toBeVisible();
  expect(await wide("link-dialog")).toBe(0);
  expect(await wide("pairing-code")).toBe(0);
  await page.keyboard.press("Escape");
  await deviceNamed(page, "Workshop laptop").getByTestId("device-remove").click();
  expect(await wide("remove-device")).toBe(0);
});
