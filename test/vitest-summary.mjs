import { writeFileSync } from "node:fs";

/** A Vitest reporter for `npm test`: counts, and each skip with its note, which Vitest's own JSON lacks. */
export default class Summary {
  onTestRunEnd(modules, unhandledErrors) {
    const tests = modules.flatMap((module) => [...module.children.allTests()]);
    const inState = (state) => tests.filter((test) => test.result().state === state);
    // A file that cannot be loaded has errors but no tests.
    const faults = [...modules.flatMap((module) => module.errors()), ...unhandledErrors];
    const summary = {
      passed: inState("passed").length,
      failed: inState("failed").length + faults.length,
      skips: inState("skipped").map((test) => ({
        title: test.fullName,
        reason: test.result().note ?? "no reason given",
      })),
    };
    writeFileSync(process.env.DOVETAIL_TEST_SUMMARY, JSON.stringify(summary));
  }
}
