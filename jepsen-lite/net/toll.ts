/** What has become of the pieces that were sent one way, since that way was laid. */
export interface Toll {
  /** Kept back for a while. */
  held: number;
  /** Gone. */
  lost: number;
  late: number;
  /** With a bit that is another one. */
  spoilt: number;
}

export function noToll(): Toll {
  return { held: 0, lost: 0, late: 0, spoilt: 0 };
}

export function tollOf(tolls: readonly Toll[]): Toll {
  const sum = noToll();
  for (const toll of tolls) {
    for (const kind of Object.keys(sum) as (keyof Toll)[]) sum[kind] += toll[kind];
  }
  return sum;
}

/** What was added since. */
export function tollSince(before: Toll, now: Toll): Toll {
  const difference = noToll();
  for (const kind of Object.keys(now) as (keyof Toll)[]) {
    difference[kind] = now[kind] - before[kind];
  }
  return difference;
}
