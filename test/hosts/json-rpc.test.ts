import { Readable } from "node:stream";
import { expect, test } from "vitest";
import { errorMessage, eventMessage, RpcServer } from "../../electron/rpc/json-rpc.js";
import { readLines } from "../../electron/rpc/lines.js";
import type { ClientEvent } from "../../shared/client-api.js";
import { DovetailError } from "../../shared/errors.js";

interface Call {
  readonly method: string;
  readonly params: unknown;
  answer(result: unknown): void;
  fail(error: unknown): void;
}

/** A server whose calls are answered when the test says so. */
function start() {
  const calls: Call[] = [];
  const sent: Record<string, unknown>[] = [];
  const server = new RpcServer(
    {
      dispatch: (method, params) =>
        new Promise((answer, fail) => calls.push({ method, params, answer, fail })),
    },
    (message) => sent.push(JSON.parse(message)),
  );
  return { server, calls, sent };
}

const line = (message: object) => JSON.stringify({ jsonrpc: "2.0", ...message });

test("answers a request under its id, with a result or with the error's code", async () => {
  const { server, calls, sent } = start();
  const first = server.receive(line({ id: 1, method: "a.b", params: { x: 1 } }));
  const second = server.receive(line({ id: "two", method: "c.d" }));
  expect(calls).toMatchObject([
    { method: "a.b", params: { x: 1 } },
    { method: "c.d", params: undefined },
  ]);
  calls[1]?.fail(new DovetailError("rate_limited", "Slowly.", { retryAfterMs: 500 }));
  await second;
  calls[0]?.answer({ done: true });
  await first;
  expect(sent).toEqual([
    {
      jsonrpc: "2.0",
      id: "two",
      error: {
        code: -32000,
        message: "Slowly.",
        data: { code: "rate_limited", retryAfterMs: 500 },
      },
    },
    { jsonrpc: "2.0", id: 1, result: { done: true } },
  ]);
});

test.each([
  ["parse_error", -32700],
  ["invalid_request", -32600],
  ["unknown_method", -32601],
  ["invalid_params", -32602],
  ["internal", -32603],
  ["profile_in_use", -32000],
] as const)("the error %s has JSON-RPC's number %i", (code, number) => {
  expect(JSON.parse(errorMessage(7, new DovetailError(code)))).toMatchObject({
    id: 7,
    error: { code: number, data: { code } },
  });
});

test("what is thrown and no error of ours is a fault of Dovetail itself", async () => {
  const { server, calls, sent } = start();
  const call = server.receive(line({ id: 1, method: "a" }));
  calls[0]?.fail(new TypeError("x is not a function"));
  await call;
  expect(sent).toMatchObject([{ id: 1, error: { code: -32603, data: { code: "internal" } } }]);
});

test("a notification is carried out and not answered, whatever becomes of it", async () => {
  const { server, calls, sent } = start();
  const running = ["a", "b"].map((method) => server.receive(line({ method })));
  calls[0]?.answer(1);
  calls[1]?.fail(new DovetailError("not_found"));
  await Promise.all(running);
  expect(sent).toEqual([]);
});

test.each([
  ["no JSON", "{", -32700],
  ["a batch", `[${line({ id: 1, method: "a" })}]`, -32600],
  ["another version", '{"jsonrpc":"1.0","id":1,"method":"a"}', -32600],
  ["no method", '{"jsonrpc":"2.0","id":1}', -32600],
  ["a method that is no text", line({ id: 1, method: 5 }), -32600],
  ["an id that is none", line({ id: { a: 1 }, method: "a" }), -32600],
  ["a number", "5", -32600],
  ["null", "null", -32600],
])("refuses %s without calling anything", async (_what, text, number) => {
  const { server, calls, sent } = start();
  await server.receive(text);
  expect(calls).toEqual([]);
  expect(sent).toMatchObject([{ jsonrpc: "2.0", id: null, error: { code: number } }]);
});

test("calls begin in the order in which they came, and run side by side", async () => {
  const { server, calls, sent } = start();
  const ids = Array.from({ length: 100 }, (_, i) => i);
  const running = ids.map((id) =>
    server.receive(line({ id, method: "messages.send", params: { id } })),
  );
  expect(calls.map(({ params }) => params)).toEqual(ids.map((id) => ({ id })));
  for (const call of [...calls].reverse()) call.answer(null);
  await Promise.all(running);
  expect(sent.map(({ id }) => id)).toEqual([...ids].reverse());
});

test("more requests at once than the bound are refused with a code that says so", async () => {
  const { server, calls, sent } = start();
  const ids = Array.from({ length: 1_030 }, (_, i) => i);
  const running = ids.map((id) => server.receive(line({ id, method: "a" })));
  expect(calls).toHaveLength(1_024);
  await Promise.all(running.slice(1_024));
  expect(sent).toHaveLength(6);
  expect(sent[0]).toMatchObject({ id: 1_024, error: { data: { code: "overloaded" } } });
  for (const call of calls) call.answer(null);
  await Promise.all(running);
  void server.receive(line({ id: "again", method: "a" }));
  expect(calls).toHaveLength(1_025);
});

test("an event is a notification under its own name", () => {
  const event: ClientEvent = {
    event: "settings.changed",
    data: { directEnabled: true, notifications: true, theme: "dark" },
  };
  expect(JSON.parse(eventMessage(event))).toEqual({
    jsonrpc: "2.0",
    method: "settings.changed",
    params: event.data,
  });
});

async function linesOf(chunks: readonly Buffer[], maxLength: number): Promise<(string | null)[]> {
  const lines: (string | null)[] = [];
  for await (const each of readLines(Readable.from(chunks), maxLength)) lines.push(each);
  return lines;
}

test("lines come out whole wherever the stream is cut, in the middle of a character too", async () => {
  const bytes = Buffer.from('{"a":"ä€😀"}\r\n\n  \nlast');
  for (let cut = 0; cut <= bytes.length; cut++) {
    const lines = await linesOf([bytes.subarray(0, cut), bytes.subarray(cut)], 100);
    expect(lines.map((each) => each?.trim())).toEqual(['{"a":"ä€😀"}', "last"]);
  }
});

test("a line over the limit is one fault, however it is cut, and the next one is read", async () => {
  const bytes = Buffer.from(`first\n${"x".repeat(50)}\nlast\n`);
  for (let size = 1; size <= bytes.length; size++) {
    const chunks = Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) =>
      bytes.subarray(i * size, (i + 1) * size),
    );
    expect(await linesOf(chunks, 10)).toEqual(["first", null, "last"]);
  }
});

test("a line without an end is never held beyond the limit", async () => {
  let read = 0;
  async function* endless() {
    for (; read < 1_000; read++) yield Buffer.alloc(1_000, "x");
  }
  const lines = [];
  for await (const each of readLines(Readable.from(endless()), 5_000)) lines.push(each);
  expect(lines).toEqual([null]);
  expect(read).toBe(1_000);
});
