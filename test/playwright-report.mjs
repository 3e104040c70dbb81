const STATUS = { expected: "passed", flaky: "failed", unexpected: "failed", skipped: "skipped" };

/** Playwright's JSON report as counts, and each skip with its reason. */
export function readPlaywrightReport(report) {
  const specsOf = (suite) => [...(suite.specs ?? []), ...(suite.suites ?? []).flatMap(specsOf)];
  const tests = report.suites.flatMap(specsOf).flatMap((spec) =>
    spec.tests.map((test) => ({
      title: `[${test.projectName}] ${spec.title}`,
      status: STATUS[test.status],
      reason: test.annotations.find(({ type }) => type === "skip")?.description,
    })),
  );
  const having = (status) => tests.filter((test) => test.status === status);
  return {
    passed: having("passed").length,
    failures: [
      ...having("failed").map(({ title }) => title),
      // Errors outside any test: a spec that does not compile, a fixture that cannot be loaded.
      ...report.errors.map(({ message }) => String(message).split("\n", 1)[0]),
    ],
    // Whole projects that cannot run here are left out by playwright.config.ts, with the reason.
    skips: [
      ...report.config.metadata.skips,
      ...having("skipped").map(({ title, reason = "no reason given" }) => ({ title, reason })),
    ],
  };
}
