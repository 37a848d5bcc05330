import { type Operation, outcome, type Recorded, recorded } from "../checker/recorded.ts";
import type { Call, History, Ok } from "../history.ts";
import { type Edn, ednText, Keyword } from "./edn.ts";
import { processes, Times } from "./times.ts";

/** The histories that are written, by the name of the file. */
export interface ElleHistories {
  /** Every operation, for whoever reads histories of Jepsen. */
  readonly history: readonly string[];
  /** Writes and linearizable reads as transactions of `elle.rw-register`. */
  readonly strict: readonly string[];
  /** Writes and all reads. */
  readonly serializable: readonly string[];
}

const READ = new Keyword("r");
const WRITE = new Keyword("w");
const TYPE = { ok: new Keyword("ok"), fail: new Keyword("fail"), info: new Keyword("info") };
const INVOKE = new Keyword("invoke");
const INDEX = new Keyword("index");
const TXN = new Keyword("txn");

/** What an operation is called, and what it is before and after. */
interface Shape {
  readonly f: Keyword;
  readonly invoked: Edn;
  readonly answered: Edn;
}

export function elle(history: History): ElleHistories {
  const all = recorded(history);
  const isLinearizable = ({ call }: Operation): boolean =>
    call.kind === "read" && call.mode.type === "linearizable";
  const puts = all.writes.filter(({ call }) => call.puts.length > 0);
  const strict = [...puts, ...all.reads.filter(isLinearizable)];
  return {
    history: linesOf(operationsOf(all), all, shapeOf),
    strict: linesOf(strict, all, transactionOf),
    serializable: linesOf([...puts, ...all.reads], all, transactionOf),
  };
}

function operationsOf({ writes, reads, sessions }: Recorded): Operation[] {
  const ofSessions = [...sessions.values()].flatMap(({ open, touches }) => [open, ...touches]);
  return [...ofSessions, ...writes, ...reads];
}

/** Two events of each operation, in their order; what was never answered is `:info` at the end. */
function linesOf(
  operations: readonly Operation[],
  { history }: Recorded,
  shape: (operation: Operation) => Shape,
): string[] {
  const times = new Times(history);
  const spans = operations.map((operation) => ({
    client: operation.process,
    from: operation.invoked.at,
    to: outcome(operation)?.at ?? Number.POSITIVE_INFINITY,
  }));
  const numbers = processes(spans);
  const events = operations.flatMap((operation, i) => {
    const { f, invoked, answered } = shape(operation);
    const answer = outcome(operation);
    const { from = 0, to = 0 } = spans[i] ?? {};
    const process = numbers[i] ?? 0;
    const type = TYPE[answer?.event.type ?? "info"];
    const refusal = answer?.event.type === "fail" ? [["error", answer.event.code] as const] : [];
    return [
      { at: from, entries: [["type", INVOKE], ...common(process, f, times.at(from), invoked)] },
      {
        at: to,
        entries: [["type", type], ...common(process, f, times.at(to), answered), ...refusal],
      },
    ] as const;
  });
  return events
    .toSorted((a, b) => (a.at === b.at ? 0 : a.at - b.at))
    .map(({ entries }, index) => {
      const named = entries.map(([name, value]) => [new Keyword(name), value] as const);
      return ednText(new Map<Keyword, Edn>([[INDEX, index], ...named]));
    });
}

function common(process: number, f: Keyword, time: number, value: Edn) {
  return [
    ["process", process],
    ["f", f],
    ["time", time],
    ["value", value],
  ] as const;
}

function shapeOf(operation: Operation): Shape {
  const { call } = operation;
  const f = new Keyword(nameOf(call));
  const invoked = calledWith(call);
  const shown = viewOf(operation)?.map(([key, content]): Edn => [key, content]);
  return { f, invoked, answered: shown ?? invoked };
}

function nameOf(call: Call): string {
  if (call.kind !== "write") {
    return call.kind;
  }
  if (call.isBye === true) {
    return "bye";
  }
  return call.update !== undefined ? "update" : call.puts.length > 0 ? "write" : "remove";
}

function calledWith(call: Call): Edn {
  switch (call.kind) {
    case "write":
      if (call.isBye === true) {
        return call.session;
      }
      return call.puts.length > 0
        ? call.puts.map(({ key, content }) => [key, content])
        : call.removes;
    case "open":
    case "touch":
      return call.session;
    case "read":
      return [call.selector.namespace, call.selector.application, call.selector.protocol];
  }
}

/**
 * Keys are registers, and what a read does not show is no part of its transaction: a key may be empty
 * because it was removed, or its session has ended, and a register of Elle's is empty only at first.
 */
function transactionOf(operation: Operation): Shape {
  const { call } = operation;
  if (call.kind === "write") {
    const writes = call.puts.map(({ key, content }): Edn => [WRITE, key, content]);
    return { f: TXN, invoked: writes, answered: writes };
  }
  const view = viewOf(operation) ?? [];
  return {
    f: TXN,
    invoked: view.map(([key]): Edn => [READ, key, null]),
    answered: view.map(([key, content]): Edn => [READ, key, content]),
  };
}

function viewOf(operation: Operation): Ok["view"] {
  const event = outcome(operation)?.event;
  return event?.type === "ok" ? event.view : undefined;
}
