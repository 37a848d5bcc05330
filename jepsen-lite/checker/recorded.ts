import type {
  Content,
  Delta,
  Event,
  Fail,
  History,
  Invoke,
  Key,
  Mark,
  Ok,
  OpenCall,
  Put,
  ReadCall,
  Revision,
  Setup,
  Snapshot,
  Subscribe,
  TouchCall,
  WriteCall,
} from "../history.ts";

/** An event with its position in the history, which is the order of everything. */
export interface Placed<E extends Event> {
  readonly at: number;
  readonly event: E;
}

export interface Operation<C extends Invoke["call"] = Invoke["call"]> {
  readonly id: number;
  readonly process: string;
  readonly call: C;
  readonly invoked: Placed<Invoke>;
  /** All of them, in their order; the first is what its client went by. */
  readonly answers: Placed<Ok | Fail>[];
  /** How often it was sent. */
  sent: number;
}

export interface Stream {
  readonly subscribed: Placed<Subscribe>;
  readonly events: Placed<Snapshot | Delta | Mark>[];
}

/** A session as its client lived it; positions, and null for what never happened. */
export interface Session {
  readonly id: string;
  readonly open: Operation<OpenCall>;
  /** By number. */
  readonly writes: Operation<WriteCall>[];
  readonly touches: Operation<TouchCall>[];
  readonly closes: { readonly at: number; readonly atMs: number; readonly attach: number }[];
  abandonedAt: number | null;
  toldEnd: Placed<Event & { type: "toldEnd" }> | null;
  /** As nodes tell. */
  ended: Placed<Event & { type: "ended" }> | null;
}

/** Where a content comes from: no other write puts it. */
export interface Origin {
  readonly write: Operation<WriteCall>;
  readonly put: Put;
}

/** A history, sorted into what belongs together. */
export interface Recorded {
  readonly history: History;
  readonly setup: Setup;
  readonly writes: readonly Operation<WriteCall>[];
  readonly reads: readonly Operation<ReadCall>[];
  readonly sessions: ReadonlyMap<string, Session>;
  readonly streams: readonly Stream[];
  readonly revisions: readonly Placed<Revision>[];
  readonly leaders: readonly Placed<Event & { type: "leader" }>[];
  /** Position and time; null where it was disturbed to the end. */
  readonly calm: Placed<Event & { type: "calm" }> | null;
  readonly origins: ReadonlyMap<Content, Origin>;
  readonly keys: readonly Key[];
  /** At each position: the highest revision that any client had been told of before it. */
  readonly told: Float64Array;
}

/** A history that breaks the rules of its format says nothing about a cluster. */
export class HistoryError extends Error {
  override readonly name = "HistoryError";
}

export function demand(condition: boolean, message: () => string): asserts condition {
  if (!condition) {
    throw new HistoryError(message());
  }
}

type Mutable = {
  -readonly [K in keyof Recorded]: Recorded[K] extends readonly (infer T)[] ? T[] : Recorded[K];
};

/** O(events). */
export function recorded(history: History): Recorded {
  const [setup] = history;
  demand(setup?.type === "setup", () => "a history begins with its setup");
  const keys = new Set<Key>();
  const sessions = new Map<string, Session>();
  const origins = new Map<Content, Origin>();
  const all: Mutable = {
    history: [...history],
    setup,
    writes: [],
    reads: [],
    sessions,
    streams: [],
    revisions: [],
    leaders: [],
    calm: null,
    origins,
    keys: [],
    told: new Float64Array(history.length + 1),
  };
  const operations = new Map<number, Operation>();
  const streams = new Map<number, Stream>();
  const sessionOf = (id: string): Session => {
    const session = sessions.get(id);
    demand(session !== undefined, () => `session ${id} was never opened`);
    return session;
  };
  const operationOf = (id: number): Operation => {
    const operation = operations.get(id);
    demand(operation !== undefined, () => `operation ${id} was never invoked`);
    return operation;
  };
  const streamOf = (id: number): Stream => {
    const stream = streams.get(id);
    demand(stream !== undefined, () => `stream ${id} was never subscribed to`);
    return stream;
  };
  history.forEach((event, at) => {
    all.told[at + 1] = Math.max(all.told[at] ?? 0, toldBy(event));
    switch (event.type) {
      case "setup":
        demand(at === 0, () => "a second setup");
        break;
      case "invoke": {
        demand(!operations.has(event.op), () => `operation ${event.op} is invoked twice`);
        const operation = begun(at, event);
        operations.set(event.op, operation);
        place(operation, all, sessions, sessionOf);
        if (event.call.kind === "write") {
          originate(operation as Operation<WriteCall>, origins, keys);
        }
        break;
      }
      case "again":
        operationOf(event.op).sent += 1;
        break;
      case "ok":
      case "fail":
        operationOf(event.op).answers.push({ at, event });
        break;
      case "info":
        break;
      case "closed":
        sessionOf(event.session).closes.push({ at, atMs: event.atMs, attach: event.attach });
        break;
      case "abandoned":
        sessionOf(event.session).abandonedAt ??= at;
        break;
      case "toldEnd":
        sessionOf(event.session).toldEnd ??= { at, event };
        break;
      case "ended":
        sessionOf(event.session).ended ??= { at, event };
        break;
      case "subscribe": {
        const stream = { subscribed: { at, event }, events: [] };
        streams.set(event.stream, stream);
        all.streams.push(stream);
        break;
      }
      case "snapshot":
      case "delta":
      case "mark":
        streamOf(event.stream).events.push({ at, event });
        break;
      case "revision":
        all.revisions.push({ at, event });
        break;
      case "leader":
        all.leaders.push({ at, event });
        break;
      case "calm":
        all.calm ??= { at, event };
        break;
    }
  });
  all.keys = [...keys];
  for (const { writes } of sessions.values()) {
    writes.sort((a, b) => a.call.seq - b.call.seq);
    writes.forEach((write, i) => {
      demand(
        writes[i + 1]?.call.seq !== write.call.seq,
        () => `two operations are number ${write.call.seq} of ${write.call.session}`,
      );
    });
  }
  return all;
}

function begun(at: number, event: Invoke): Operation {
  const { op: id, process, call } = event;
  return { id, process, call, invoked: { at, event }, answers: [], sent: 1 };
}

function place(
  operation: Operation,
  all: Mutable,
  sessions: Map<string, Session>,
  sessionOf: (id: string) => Session,
): void {
  const { call } = operation;
  switch (call.kind) {
    case "write":
      all.writes.push(operation as Operation<WriteCall>);
      sessionOf(call.session).writes.push(operation as Operation<WriteCall>);
      break;
    case "touch":
      sessionOf(call.session).touches.push(operation as Operation<TouchCall>);
      break;
    case "read":
      all.reads.push(operation as Operation<ReadCall>);
      break;
    case "open":
      demand(!sessions.has(call.session), () => `session ${call.session} is opened twice`);
      sessions.set(call.session, {
        id: call.session,
        open: operation as Operation<OpenCall>,
        writes: [],
        touches: [],
        closes: [],
        abandonedAt: null,
        toldEnd: null,
        ended: null,
      });
      break;
  }
}

function originate(
  write: Operation<WriteCall>,
  origins: Map<Content, Origin>,
  keys: Set<Key>,
): void {
  for (const put of write.call.puts) {
    demand(!origins.has(put.content), () => `${put.content} is put twice`);
    origins.set(put.content, { write, put });
    keys.add(put.key);
  }
  for (const key of write.call.removes) {
    keys.add(key);
  }
}

function toldBy(event: Event): number {
  switch (event.type) {
    case "ok":
    case "fail":
      return event.revision ?? 0;
    case "snapshot":
    case "mark":
    case "toldEnd":
      return event.revision;
    case "delta":
      // Of a row of frames only the last is a state, and its revision may be later than the first's.
      return event.collapsed === null || event.collapsed.isLast ? event.revision : 0;
    default:
      return 0;
  }
}

/** What its client goes by; null where it never learned. */
export function outcome(operation: Operation): Placed<Ok | Fail> | null {
  return operation.answers[0] ?? null;
}

/** The answer of a write that was acknowledged at a revision; null for all others. */
export function acknowledged(
  operation: Operation,
): { readonly at: number; readonly revision: number } | null {
  const first = outcome(operation);
  return first?.event.type === "ok" && first.event.revision !== null
    ? { at: first.at, revision: first.event.revision }
    : null;
}

/** Definitely without effect. */
export function hasFailed(operation: Operation): boolean {
  return outcome(operation)?.event.type === "fail";
}
