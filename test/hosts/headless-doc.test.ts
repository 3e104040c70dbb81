/** docs/headless.md says neither less nor more than the contract in shared/. */
import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { describe, expect, test } from "vitest";
import { parameters } from "../../electron/headless/help.js";
import { type EventName, eventSummaries, type Method } from "../../shared/client-api.js";
import { methods } from "../../shared/client-methods.js";
import { errorCodes } from "../../shared/errors.js";

const page = await readFile(resolve(import.meta.dirname, "../../docs/headless.md"), "utf8");

/** The text from a heading to the next of any level. */
function section(heading: string): string {
  const after = page.split(`\n### ${heading}\n`)[1] ?? "";
  return after.split(/\n#{1,3} /)[0] ?? "";
}

const headings = (chapter: string) =>
  [...(page.split(`\n## ${chapter}\n`)[1]?.split("\n## ")[0] ?? "").matchAll(/^### (.+)$/gm)].map(
    ([, name]) => name,
  );

type Line = { id?: number; method?: string; params?: unknown; result?: unknown };

const examples = (text: string): Line[] =>
  [...text.matchAll(/```json\n([\s\S]*?)\n```/g)].flatMap(([, block]) =>
    (block as string).split("\n").map((line) => JSON.parse(line) as Line),
  );

test("has a section for each method and each event, and for nothing else", () => {
  expect(headings("Methods")).toEqual(Object.keys(methods));
  expect(headings("Events")).toEqual(Object.keys(eventSummaries));
});

describe.each(Object.keys(methods) as Method[])("%s", (method) => {
  const text = section(method);

  test("its summary and parameters are those of the contract", () => {
    expect(text).toContain(methods[method].summary);
    expect(text).toContain(`Parameters: \`${parameters(method)}\``);
  });

  test("its example is a valid request with an answer", () => {
    const [request, answer] = examples(text);
    expect(request?.method).toBe(method);
    expect(methods[method].params.safeParse(request?.params).error).toBeUndefined();
    expect(answer).toMatchObject({ id: request?.id, result: expect.anything() });
  });

  test("the errors it names exist", () => {
    const named = /Errors of its own: (.+)\.\n/.exec(text)?.[1] ?? "";
    const codes = [...named.matchAll(/`(\w+)`/g)].map(([, code]) => code);
    expect(Object.keys(errorCodes)).toEqual(expect.arrayContaining(codes));
  });
});

test.each(Object.keys(eventSummaries) as EventName[])("%s: summary and example", (event) => {
  const text = section(event);
  expect(text).toContain(eventSummaries[event]);
  const [example] = examples(text);
  expect(example).toMatchObject({ method: event, params: expect.anything() });
  expect(example).not.toHaveProperty("id");
});

test("the table of errors is the list of codes with their sentences", () => {
  const rows = [...page.matchAll(/^\| `(\w+)` \| (.+) \|$/gm)].map(([, code, text]) => [
    code,
    text,
  ]);
  expect(rows).toEqual(Object.entries(errorCodes));
});
