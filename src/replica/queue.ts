import { must } from "../util/assert.ts";

/** Places of a queue whose items are gone, from which on it is worth copying. */
const SLACK = 64;

/** First in, first out. Holds nothing that was taken out; the empty front is cut off now and then. */
export class Queue<T> {
  #items: (T | null)[] = [];
  #head = 0;

  get length(): number {
    return this.#items.length - this.#head;
  }

  push(item: T): void {
    this.#items.push(item);
  }

  first(): T | null {
    return this.#items[this.#head] ?? null;
  }

  shift(): T {
    const item = must(this.#items[this.#head], "queue is empty");
    this.#items[this.#head] = null;
    this.#head += 1;
    if (this.#head >= SLACK && this.#head * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#head);
      this.#head = 0;
    }
    return item;
  }

  /** The items from the first that `isAfter` accepts; they stand in ascending order. */
  from(isAfter: (item: T) => boolean): readonly T[] {
    let low = this.#head;
    let high = this.#items.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (isAfter(must(this.#items[middle]))) {
        high = middle;
      } else {
        low = middle + 1;
      }
    }
    return this.#items.slice(low) as T[];
  }

  *[Symbol.iterator](): Generator<T> {
    for (let at = this.#head; at < this.#items.length; at += 1) {
      yield must(this.#items[at]);
    }
  }
}
