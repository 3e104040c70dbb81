import { expect, it } from "vitest";
import { Gate } from "../../../relay/store/cassandra/gate.js";

it("lets as many run as may, whatever becomes of them", async () => {
  const gate = new Gate(3);
  let running = 0;
  let most = 0;
  const results = await Promise.allSettled(
    Array.from({ length: 20 }, (_, i) =>
      gate.run(async () => {
        most = Math.max(most, ++running);
        await new Promise((resolve) => setImmediate(resolve));
        running -= 1;
        if (i % 2 === 0) throw new Error("refused");
        return i;
      }),
    ),
  );
  expect(results.map(({ status }) => status === "fulfilled")).toEqual(
    Array.from({ length: 20 }, (_, i) => i % 2 === 1),
  );
  expect(most).toBe(3);
});
