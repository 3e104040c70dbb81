import { expect, it } from "vitest";
import { SharedLooks } from "../../relay/core/shared-looks.js";

it("shares a look that began after the question, and none that had begun before", async () => {
  const looks = new SharedLooks<string, number>();
  const open: ((found: number) => void)[] = [];
  const look = () => new Promise<number>((resolve) => void open.push(resolve));
  const end = async (found: number): Promise<void> => {
    open.shift()?.(found);
    for (let i = 0; i < 5; i++) await Promise.resolve();
  };
  const first = looks.run("a", look);
  const second = looks.run("a", look);
  const third = looks.run("a", look);
  const other = looks.run("b", look);
  expect(open).toHaveLength(2);
  await end(1);
  expect(await first).toBe(1);
  expect(open).toHaveLength(2);
  await end(5);
  expect(await other).toBe(5);
  await end(2);
  expect(await Promise.all([second, third])).toEqual([2, 2]);
  const last = looks.run("a", look);
  await end(3);
  expect(await last).toBe(3);
});

it("goes on after a look that failed", async () => {
  const looks = new SharedLooks<string, number>();
  const failing = looks.run("a", () => Promise.reject(new Error("no answer")));
  const next = looks.run("a", async () => 7);
  await expect(failing).rejects.toThrow("no answer");
  expect(await next).toBe(7);
});
