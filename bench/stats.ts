export interface Latency {
  /** Milliseconds. */
  readonly p50: number;
  readonly p99: number;
}

/** Nearest rank: the least value that at least the fraction `p` of all does not exceed. */
function percentile(sorted: readonly number[], p: number): number {
  return sorted[Math.max(0, Math.ceil(p * sorted.length) - 1)] ?? Number.NaN;
}

export function latencyOf(samplesMs: readonly number[]): Latency {
  const sorted = samplesMs.toSorted((a, b) => a - b);
  return { p50: percentile(sorted, 0.5), p99: percentile(sorted, 0.99) };
}

/**
 * Takes samples one after the other, so that none waits for another. The first ones do not count:
 * they measure how the machine compiles.
 */
export async function sampleOneByOne(
  count: number,
  warmUp: number,
  sample: () => Promise<number>,
): Promise<Latency> {
  for (let i = 0; i < warmUp; i++) await sample();
  const samples: number[] = [];
  for (let i = 0; i < count; i++) samples.push(await sample());
  return latencyOf(samples);
}
