import { type KeyAct, keyHistories } from "../checker/key-acts.ts";
import { outcome, type Recorded, recorded, type Session } from "../checker/recorded.ts";
import type { History, Selector } from "../history.ts";
import { processes, Times } from "./times.ts";

/** An operation of one key, as github.com/anishathalye/porcupine has it, and the key. */
export interface PorcupineOperation {
  readonly key: string;
  readonly clientId: number;
  /** Nanoseconds. */
  readonly call: number;
  readonly return: number;
  readonly input: Input;
  readonly output: Output;
}

interface Input {
  readonly kind: KeyAct["kind"];
  /** Empty of a read. */
  readonly session: string;
  /** Between which moments it was opened; of two that do not overlap, the later one is newer. */
  readonly openedFrom: number;
  readonly openedBy: number;
  /** The number of a write in its session; above all of them, of its end. */
  readonly seq: number;
  /** That is put or updated to; null of all others. */
  readonly content: string | null;
  /** What is put belongs to nobody. */
  readonly lasting: boolean;
  /** Of what is put, or of what a read asks for; only what has all pairs is shown. */
  readonly meta: Selector["meta"];
}

interface Output {
  /** False where nobody knows whether it happened; it returns at the end then. */
  readonly known: boolean;
  /** That is shown; null where nothing is, and of all but reads. */
  readonly content: string | null;
}

const AFTER_ALL = Number.MAX_SAFE_INTEGER;

/** All that the referee looks at: writes, linearizable reads and the ends of sessions, by key. */
export function* porcupine(history: History): Generator<PorcupineOperation> {
  const all = recorded(history);
  const times = new Times(history);
  for (const { key, acts } of keyHistories(all)) {
    const numbers = processes(
      acts.map((act) => ({ client: clientOf(act), from: act.call, to: act.return })),
    );
    for (const [i, act] of acts.entries()) {
      const { call, return: returned, kind, content } = act;
      yield {
        key,
        clientId: numbers[i] ?? 0,
        call: times.at(call),
        return: times.at(returned),
        input: inputOf(act, key, all, times),
        output: {
          known: returned !== Number.POSITIVE_INFINITY,
          content: kind === "read" ? content : null,
        },
      };
    }
  }
}

function clientOf({ operation, session }: KeyAct): string {
  return operation?.process ?? `end of ${session?.id}`;
}

function inputOf(
  { kind, session, operation, content }: KeyAct,
  key: string,
  { history }: Recorded,
  times: Times,
): Input {
  const call = operation?.call;
  const write = call?.kind === "write" ? call : null;
  const put = write?.puts.find((each) => each.key === key);
  return {
    kind,
    session: session?.id ?? "",
    openedFrom: session === null ? 0 : times.at(session.open.invoked.at),
    openedBy: session === null ? 0 : times.at(openedBy(session, history)),
    seq: write?.seq ?? (kind === "end" ? AFTER_ALL : 0),
    content: kind === "read" ? null : content,
    lasting: write?.isLasting === true,
    meta: put?.meta ?? (call?.kind === "read" ? call.selector.meta : []),
  };
}

function openedBy({ open }: Session, history: History): number {
  const opened = outcome(open);
  return opened?.event.type === "ok" ? opened.at : history.length;
}
