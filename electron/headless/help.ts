/** The client API in words, from its own schemas. */
import { z } from "zod";
import { eventSummaries, type Method } from "../../shared/client-api.js";
import { methods } from "../../shared/client-methods.js";

interface Property {
  readonly type?: string;
  readonly enum?: readonly unknown[];
  readonly items?: Property;
  readonly anyOf?: readonly Property[];
}

interface Shape {
  readonly properties?: Record<string, Property>;
  readonly required?: readonly string[];
}

function typeOf({ type, enum: words, items, anyOf }: Property): string {
  if (words) return words.map((word) => JSON.stringify(word)).join(" | ");
  if (anyOf) return anyOf.map(typeOf).join(" | ");
  return type === "array" && items ? `${typeOf(items)}[]` : (type ?? "any");
}

/** Parameters as a person writes them: `{conversationId: string, limit?: integer}`. */
export function parameters(method: Method): string {
  const shape = z.toJSONSchema(methods[method].params, {
    io: "input",
    unrepresentable: "any",
  }) as Shape;
  const names = Object.entries(shape.properties ?? {}).map(([name, property]) => {
    const optional = shape.required?.includes(name) ? "" : "?";
    return `${name}${optional}: ${typeOf(property)}`;
  });
  return `{${names.join(", ")}}`;
}

export function describeApi(): string {
  const calls = (Object.keys(methods) as Method[]).map(
    (method) => `  ${method} ${parameters(method)}\n      ${methods[method].summary}`,
  );
  const events = Object.entries(eventSummaries).map(
    ([name, summary]) => `  ${name}\n      ${summary}`,
  );
  return [
    "",
    "JSON-RPC 2.0, one object a line: requests on stdin, answers and notifications on stdout.",
    "Errors carry a code in error.data.code; docs/headless.md has them all, with examples.",
    "",
    "Methods:",
    ...calls,
    "",
    "Notifications:",
    ...events,
    "",
  ].join("\n");
}
