import type { Readable } from "node:stream";
import { StringDecoder } from "node:string_decoder";

export interface LineEvents {
  line(text: string): void;
  /** A line was longer than the limit; it is passed over as a whole. */
  tooLong(): void;
  end(): void;
}

/** Splits a stream into lines without ever holding more than one line of the given length. */
export function readLines(input: Readable, maxLength: number, events: LineEvents): void {
  const decoder = new StringDecoder("utf8");
  let rest = "";
  let skipping = false;
  input.on("data", (chunk: Buffer) => {
    const parts = (rest + decoder.write(chunk)).split("\n");
    rest = parts.pop() ?? "";
    for (const part of parts) {
      if (skipping || part.length > maxLength) {
        if (!skipping) events.tooLong();
        skipping = false;
      } else if (part.trim() !== "") events.line(part);
    }
    if (rest.length > maxLength) {
      if (!skipping) events.tooLong();
      skipping = true;
      rest = "";
    }
  });
  input.on("end", () => {
    if (rest.trim() !== "" && !skipping) events.line(rest);
    events.end();
  });
}
