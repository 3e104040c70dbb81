/** What the renderer's specs ask a page on the made-up host. */
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import type { Page } from "@playwright/test";
import type axe from "axe-core";

const axePath = createRequire(import.meta.url).resolve("axe-core/axe.min.js");

export const callsTo = (page: Page, method: string) =>
  page.evaluate((name) => window.fake.calls.filter(([called]) => called === name), method);

export async function seriousFindings(page: Page): Promise<string[]> {
  // The debugger's evaluation is not under the page's policy, so the policy stays as shipped.
  await page.evaluate(await readFile(axePath, "utf8"));
  return page.evaluate(async () => {
    const { axe: checker } = window as unknown as { axe: typeof axe };
    const { violations } = await checker.run(document);
    return violations
      .filter(({ impact }) => impact === "serious" || impact === "critical")
      .map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(" | ")}`);
  });
}
