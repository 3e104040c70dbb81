/** What the two test runners' JSON reports say, in one shape: counts, and each skip with a reason. */

const NO_REASON = "no reason given";

const sumOf = (results) => ({
  passed: results.filter(({ status }) => status === "passed").length,
  failed: results.filter(({ status }) => status === "failed").length,
  skips: results.filter(({ status }) => status === "skipped"),
});

/** Vitest's report has the shape of Jest's. */
export function readVitestReport(report) {
  const results = report.testResults.flatMap((file) => {
    // A file that cannot be loaded has no tests, and must not pass for one without failures.
    if (file.status === "failed" && file.assertionResults.length === 0) {
      return [{ title: file.name, status: "failed" }];
    }
    return file.assertionResults.map(({ fullName, status, meta }) => ({
      title: fullName,
      status: status === "passed" || status === "failed" ? status : "skipped",
      reason: meta?.reason ?? NO_REASON,
    }));
  });
  return sumOf(results);
}

const playwrightStatus = { expected: "passed", flaky: "failed", unexpected: "failed" };

export function readPlaywrightReport(report) {
  const specsOf = (suite) => [...(suite.specs ?? []), ...(suite.suites ?? []).flatMap(specsOf)];
  const results = report.suites.flatMap(specsOf).flatMap((spec) =>
    spec.tests.map((test) => ({
      title: `[${test.projectName}] ${spec.title}`,
      status: playwrightStatus[test.status] ?? "skipped",
      reason: test.annotations.find(({ type }) => type === "skip")?.description ?? NO_REASON,
    })),
  );
  const sum = sumOf(results);
  // Errors outside any test: a spec that does not compile, a fixture that cannot be loaded.
  return { ...sum, failed: sum.failed + report.errors.length };
}
