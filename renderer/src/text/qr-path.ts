import { encode } from "uqr";

/** Modules of quiet ground around the code (ISO/IEC 18004, 9.1): scanners need it. */
const QUIET = 4;

export interface QrPath {
  /** Modules on a side, the quiet ground included. */
  readonly size: number;
  /** One path over all dark modules, a rectangle for each run in a row. */
  readonly path: string;
}

/** As geometry and not as markup: the page's policy takes no markup that was put together as text. */
export function qrPath(text: string): QrPath {
  const { data, size } = encode(text, { ecc: "M", border: QUIET });
  const runs = data.flatMap((row, y) =>
    [
      ...row
        .map((dark) => (dark ? "#" : " "))
        .join("")
        .matchAll(/#+/g),
    ].map(({ index, 0: run }) => `M${index} ${y}h${run.length}v1h-${run.length}z`),
  );
  return { size, path: runs.join("") };
}
