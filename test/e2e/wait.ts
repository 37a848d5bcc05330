import { setTimeout as sleep } from "node:timers/promises";

/** Rejects with `what` when `promise` is not settled in time; what waits on it goes on waiting. */
export async function within<T>(ms: number, what: string, promise: Promise<T>): Promise<T> {
  const controller = new AbortController();
  const late = sleep(ms, undefined, { signal: controller.signal }).then(() => {
    throw new Error(`not within ${ms} ms: ${what}`);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    controller.abort();
    late.catch(() => {});
  }
}

/** What arrives, in order, for whoever waits for it. */
export class Inbox<T> {
  readonly #items: T[] = [];
  readonly #waiting: {
    readonly accepts: (item: T) => boolean;
    readonly take: (item: T) => void;
  }[] = [];

  get items(): readonly T[] {
    return this.#items;
  }

  push(item: T): void {
    const position = this.#waiting.findIndex(({ accepts }) => accepts(item));
    const waiter = this.#waiting[position];
    if (waiter === undefined) {
      this.#items.push(item);
    } else {
      this.#waiting.splice(position, 1);
      waiter.take(item);
    }
  }

  /** The first that `accepts` accepts; each is given out once. */
  next(ms: number, what: string, accepts: (item: T) => boolean = () => true): Promise<T> {
    const position = this.#items.findIndex(accepts);
    const [item] = position < 0 ? [] : this.#items.splice(position, 1);
    if (item !== undefined) {
      return Promise.resolve(item);
    }
    const coming = new Promise<T>((take) => {
      this.#waiting.push({ accepts, take });
    });
    return within(ms, what, coming);
  }
}
