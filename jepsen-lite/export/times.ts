import type { History } from "../history.ts";

const NS_PER_MS = 1_000_000;

/**
 * Nanoseconds of the recorder's clock by position in the history; rising, also where the clock stood
 * still between two events. Half a position is between two, infinity after all.
 */
export class Times {
  readonly #ns: readonly number[];

  constructor(history: History) {
    let last = 0;
    this.#ns = history.map(({ atMs }) => {
      // One is left between, for what comes there.
      last = Math.max(last + 2, Math.round(atMs * NS_PER_MS));
      return last;
    });
  }

  at(position: number): number {
    if (position >= this.#ns.length) {
      return (this.#ns.at(-1) ?? 0) + 2;
    }
    const before = this.#ns[Math.floor(position)] ?? 0;
    return Number.isInteger(position) ? before : before + 1;
  }
}

/** Something that a client waits for, from position to position; it ends at infinity if never. */
interface Span {
  readonly client: string;
  readonly from: number;
  readonly to: number;
}

/**
 * A number for each span, in the order of `spans`, so that those of one number do not overlap, belong
 * to one client, and nothing follows one that never ended: what Jepsen calls a process.
 */
export function processes(spans: readonly Span[]): number[] {
  const numbers: number[] = spans.map(() => 0);
  const free = new Map<string, { readonly number: number; to: number }[]>();
  let count = 0;
  const order = spans.map((_, i) => i).sort((a, b) => fromOf(spans[a]) - fromOf(spans[b]));
  for (const i of order) {
    const { client, from, to } = spans[i] as Span;
    const own = free.get(client) ?? [];
    free.set(client, own);
    const idle = own.find((each) => each.to < from);
    if (idle === undefined) {
      own.push({ number: count, to });
      numbers[i] = count;
      count += 1;
    } else {
      numbers[i] = idle.number;
      idle.to = to;
    }
  }
  return numbers;
}

function fromOf(span: Span | undefined): number {
  return span?.from ?? 0;
}
