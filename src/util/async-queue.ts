import { type Deferred, deferred } from "./deferred.ts";

/**
 * A bounded async iterable for one reader. When it is full the oldest value makes room; `break`
 * drops what waits, `end` lets it be read. Nothing is ever thrown into the reader.
 */
export class AsyncQueue<T extends object> implements AsyncIterableIterator<T> {
  readonly #capacity: number;
  readonly #onEnd: () => void;
  readonly #values: T[] = [];
  readonly #readers: Deferred<IteratorResult<T>>[] = [];
  #dropped = 0;
  #isEnded = false;

  /** `onEnd` runs once, when the reader leaves or the queue is ended. */
  constructor(capacity: number, onEnd: () => void = () => {}) {
    this.#capacity = capacity;
    this.#onEnd = onEnd;
  }

  /** Values that made room for newer ones. */
  get dropped(): number {
    return this.#dropped;
  }

  push(value: T): void {
    if (this.#isEnded) {
      return;
    }
    const reader = this.#readers.shift();
    if (reader !== undefined) {
      reader.resolve({ done: false, value });
      return;
    }
    this.#values.push(value);
    if (this.#values.length > this.#capacity) {
      this.#values.shift();
      this.#dropped += 1;
    }
  }

  /** What waits is still read; then the iteration is over. */
  end(): void {
    if (this.#isEnded) {
      return;
    }
    this.#isEnded = true;
    for (const reader of this.#readers.splice(0)) {
      reader.resolve({ done: true, value: undefined });
    }
    this.#onEnd();
  }

  next(): Promise<IteratorResult<T>> {
    const value = this.#values.shift();
    if (value !== undefined) {
      return Promise.resolve({ done: false, value });
    }
    if (this.#isEnded) {
      return Promise.resolve({ done: true, value: undefined });
    }
    const reader = deferred<IteratorResult<T>>();
    this.#readers.push(reader);
    return reader.promise;
  }

  return(): Promise<IteratorResult<T>> {
    this.#values.length = 0;
    this.end();
    return Promise.resolve({ done: true, value: undefined });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}
