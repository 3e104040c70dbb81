import { expect, test } from "vitest";
import { readPlaywrightReport } from "../playwright-report.mjs";

const spec = (title: string, status: string, annotations: object[] = []) => ({
  title,
  tests: [{ projectName: "browser", status, annotations }],
});

test("a Playwright report is summed up with nested suites, flaky tests, errors and skipped projects", () => {
  const report = {
    config: { metadata: { skips: [{ title: "project electron", reason: "no binary" }] } },
    errors: [{ message: "a spec does not compile\n    at line 1" }],
    suites: [
      {
        specs: [spec("works", "expected"), spec("sometimes", "flaky")],
        suites: [
          {
            specs: [
              spec("broken", "unexpected"),
              spec("elsewhere", "skipped", [{ type: "skip", description: "needs a camera" }]),
              spec("silent", "skipped"),
            ],
          },
        ],
      },
    ],
  };
  expect(readPlaywrightReport(report)).toEqual({
    passed: 1,
    failures: ["[browser] sometimes", "[browser] broken", "a spec does not compile"],
    skips: [
      { title: "project electron", reason: "no binary" },
      { title: "[browser] elsewhere", reason: "needs a camera" },
      { title: "[browser] silent", reason: "no reason given" },
    ],
  });
});
