import type { Readable } from "node:stream";
import { StringDecoder } from "node:string_decoder";

/**
 * The lines of a stream, without empty ones; null stands for one that is longer than `maxLength`
 * UTF-16 code units, of which never more than that is held. The stream is read only as fast as the
 * lines are taken.
 */
export async function* readLines(
  input: Readable,
  maxLength: number,
): AsyncGenerator<string | null, void> {
  const decoder = new StringDecoder("utf8");
  let rest = "";
  let skipping = false;
  for await (const chunk of input) {
    const parts = (rest + decoder.write(chunk as Buffer)).split("\n");
    rest = parts.pop() ?? "";
    for (const part of parts) {
      // What was too long has been told of when it got so long.
      if (skipping) skipping = false;
      else if (part.length > maxLength) yield null;
      else if (part.trim() !== "") yield part;
    }
    if (skipping) rest = "";
    else if (rest.length > maxLength) {
      yield null;
      skipping = true;
      rest = "";
    }
  }
  // A writer that stops in the middle of a character has left half a line, which will not be JSON.
  rest += decoder.end();
  if (!skipping && rest.trim() !== "") yield rest;
}
