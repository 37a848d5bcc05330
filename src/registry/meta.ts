import { must } from "../util/assert.ts";
import type { MetaPairs } from "./instance.ts";

/** Different ones that are remembered; a new one takes the place of the one that came first. */
const LATEST_MAX = 8;

/**
 * The metas that came last. Ten thousand instances of an application have a handful of different
 * ones; each came from the log as objects and texts of its own, which are dropped for those that
 * are there already.
 */
export class LatestMetas {
  readonly #latest: MetaPairs[] = [];
  #next = 0;

  shared(meta: MetaPairs): MetaPairs {
    for (const known of this.#latest) {
      if (isSameMeta(known, meta)) {
        return known;
      }
    }
    this.#latest[this.#next] = meta;
    this.#next = (this.#next + 1) % LATEST_MAX;
    return meta;
  }
}

export function isSameMeta(left: MetaPairs, right: MetaPairs): boolean {
  if (left === right) {
    return true;
  }
  if (left.length !== right.length) {
    return false;
  }
  for (let i = 0; i < left.length; i++) {
    const one = must(left[i]);
    const other = must(right[i]);
    if (one[0] !== other[0] || one[1] !== other[1]) {
      return false;
    }
  }
  return true;
}
