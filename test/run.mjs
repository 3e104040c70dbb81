/**
 * `npm test`: Vitest, then Playwright, their output as it comes, and at the end one line that sums
 * up what they reported as JSON.
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runChild } from "../electron/launch/children.mjs";
import { inRoot } from "../electron/launch/paths.mjs";
import { findBrowser } from "./browser.mjs";
import { installPackage } from "./debian.mjs";
import { getCassandra, hasCassandra, whyNoCassandra } from "./parts/cassandra.mjs";
import { findNats } from "./parts/nats.mjs";
import { readPlaywrightReport } from "./playwright-report.mjs";

const say = (line) => console.log(line);

function findOrInstallBrowser() {
  if (findBrowser() === null) installPackage("chromium", say);
  return findBrowser();
}

/** A runner that hangs must not hang whoever waits for the verdict. */
const RUNNER_MS = 15 * 60_000;

/** One runner from start to summary. A runner that crashed or ran nothing counts as a failure. */
async function runOne(name, script, args, report, readReport, env) {
  const code = await runChild(process.execPath, [inRoot("node_modules", script), ...args], {
    env: { ...process.env, ...env },
    timeout: RUNNER_MS,
  });
  let sum;
  try {
    sum = readReport(JSON.parse(readFileSync(report, "utf8")));
  } catch (error) {
    return { passed: 0, skips: [], failures: [`${name} left no report: ${error.message}`] };
  }
  const failures = [...sum.failures];
  if (code !== 0 && failures.length === 0) failures.push(`${name} ended with exit code ${code}`);
  if (sum.passed + failures.length === 0) failures.push(`${name} ran no test`);
  return { ...sum, failures };
}

const CLUSTER = "cluster";

function runVitest(folder, projects) {
  const report = join(folder, "vitest.json");
  const reporters = ["--reporter=default", `--reporter=${inRoot("test", "vitest-summary.mjs")}`];
  return runOne(
    "Vitest",
    "vitest/vitest.mjs",
    ["run", ...reporters, ...projects.flatMap((name) => ["--project", name])],
    report,
    (sum) => sum,
    {
      DOVETAIL_TEST_SUMMARY: report,
    },
  );
}

async function runPlaywright(folder) {
  if (findOrInstallBrowser() === null) {
    const reason = "no Chromium found on PATH or in DOVETAIL_CHROMIUM, and none could be installed";
    return { passed: 0, skips: [{ title: "all browser tests", reason }], failures: [] };
  }
  const report = join(folder, "playwright.json");
  const args = ["test", "--reporter=list,json"];
  return runOne("Playwright", "@playwright/test/cli.js", args, report, readPlaywrightReport, {
    PLAYWRIGHT_JSON_OUTPUT_FILE: report,
  });
}

/** Longer than this is for those who ask for it: `npm run test:cluster`. */
const QUICK_MS = 2 * 60_000;

function findOrInstallNats() {
  if (findNats() === null) installPackage("nats-server", say);
}

/** Brings Cassandra where it is missing; null, or the reason why it could not. */
async function bringCassandra(withinMs) {
  const reason = await whyNoCassandra();
  if (reason !== null) return reason;
  if (!hasCassandra()) say("Getting Cassandra for the tests …");
  try {
    await getCassandra(withinMs);
    return null;
  } catch (error) {
    return `Cassandra could not be brought: ${error.message.split("\n")[0]}`;
  }
}

const runCluster = (folder) => runVitest(folder, [CLUSTER]);

export function runTests() {
  return run(async (folder) => {
    findOrInstallNats();
    // It comes while the others run.
    const cassandra = bringCassandra(QUICK_MS);
    const vitest = await runVitest(folder, ["fast", "real"]);
    const reason = await cassandra;
    const cluster =
      reason === null
        ? await runCluster(folder)
        : { passed: 0, skips: [{ title: "all cluster tests", reason }], failures: [] };
    return [vitest, cluster, await runPlaywright(folder)];
  });
}

/** `npm run test:cluster`: gets the services that are missing first. */
export async function runClusterTests() {
  findOrInstallNats();
  const reason = await bringCassandra();
  if (reason !== null) throw new Error(reason);
  await run(async (folder) => [await runCluster(folder)]);
}

async function run(runners) {
  const folder = mkdtempSync(join(tmpdir(), "dovetail-test-"));
  try {
    const sums = await runners(folder);
    const total = (of) => sums.reduce((all, sum) => all + of(sum), 0);
    console.log();
    for (const { title, reason } of sums.flatMap((sum) => sum.skips)) {
      console.log(`skipped: ${title} (${reason})`);
    }
    // Named once more where whoever reads only the end finds them.
    for (const failure of sums.flatMap((sum) => sum.failures)) console.log(`failed: ${failure}`);
    const failed = total((sum) => sum.failures.length);
    const skipped = total((sum) => sum.skips.length);
    const counts = [`${total((sum) => sum.passed)} passed`, `${failed} failed`];
    if (skipped > 0) counts.push(`${skipped} skipped`);
    console.log(counts.join(", "));
    process.exitCode = failed > 0 ? 1 : 0;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
