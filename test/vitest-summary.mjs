import { writeFileSync } from "node:fs";

const firstLine = (error) => String(error?.message ?? error).split("\n", 1)[0];

/** A Vitest reporter for `npm test`: counts, what failed, and each skip with its note, which Vitest's own JSON lacks. */
export default class Summary {
  onTestRunEnd(modules, unhandledErrors) {
    const tests = modules.flatMap((module) => [...module.children.allTests()]);
    const inState = (state) => tests.filter((test) => test.result().state === state);
    // A file that cannot be loaded has errors but no tests.
    const faults = [...modules.flatMap((module) => module.errors()), ...unhandledErrors];
    const summary = {
      passed: inState("passed").length,
      failures: [
        ...inState("failed").map((test) => {
          const [error] = test.result().errors ?? [];
          return `${test.module.relativeModuleId} > ${test.fullName}: ${firstLine(error)}`;
        }),
        ...faults.map(firstLine),
      ],
      skips: inState("skipped").map((test) => ({
        title: test.fullName,
        reason: test.result().note ?? "no reason given",
      })),
    };
    writeFileSync(process.env.DOVETAIL_TEST_SUMMARY, JSON.stringify(summary));
  }
}
