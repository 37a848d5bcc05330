/** The middle value; of an even number of values, the mean of the middle two. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const upper = sorted[sorted.length >> 1];
  const lower = sorted[(sorted.length - 1) >> 1];
  if (upper === undefined || lower === undefined) throw new RangeError("the median of nothing");
  return (upper + lower) / 2;
}

/** The smallest value that at least `percent` of the values do not exceed (nearest rank). */
export function percentile(values: readonly number[], percent: number): number {
  const sorted = Float64Array.from(values).sort();
  const rank = Math.max(1, Math.ceil((percent / 100) * sorted.length));
  const found = sorted[rank - 1];
  if (found === undefined) throw new RangeError("a percentile of nothing");
  return found;
}

export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

export function spread(values: readonly number[]): Spread {
  return { median: median(values), min: Math.min(...values), max: Math.max(...values) };
}

/**
 * How the first of each pair compares with the second. Each ratio is of two neighbours in time, so
 * what makes the whole machine faster or slower for a while is in both of its halves; a ratio of
 * two medians would mix slices from a good minute with slices from a bad one.
 */
export function pairedRatio(pairs: readonly (readonly [ours: number, floor: number])[]): Spread {
  return spread(pairs.map(([ours, floor]) => ours / floor));
}
