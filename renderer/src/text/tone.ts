const TONES = 7;

/** One of the tones in tones.css, always the same for one person. FNV-1a: near handles get far tones. */
export const toneOf = (handle: string): number =>
  [...handle].reduce(
    (hash, c) => Math.imul(hash ^ c.charCodeAt(0), 16_777_619) >>> 0,
    2_166_136_261,
  ) % TONES;
