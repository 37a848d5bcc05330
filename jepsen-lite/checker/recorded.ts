import type {
  Content,
  Delta,
  Event,
  Fail,
  Fenced,
  History,
  Invoke,
  Key,
  Mark,
  Ok,
  OpenCall,
  Put,
  ReadCall,
  Revision,
  SessionEvent,
  Setup,
  Snapshot,
  StreamEvent,
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
  readonly fenced: readonly Placed<Fenced>[];
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

function demand(condition: boolean, message: () => string): asserts condition {
  if (!condition) {
    throw new HistoryError(message());
  }
}

/** O(events). */
export function recorded(history: History): Recorded {
  const sorter = new Sorter(history);
  history.forEach((event, at) => {
    sorter.take(event, at);
  });
  return sorter.done();
}

type Mutable = {
  -readonly [K in keyof Recorded]: Recorded[K] extends readonly (infer T)[] ? T[] : Recorded[K];
};

class Sorter {
  readonly #all: Mutable;
  readonly #keys = new Set<Key>();
  readonly #origins = new Map<Content, Origin>();
  readonly #sessions = new Map<string, Session>();
  readonly #operations = new Map<number, Operation>();
  readonly #streams = new Map<number, Stream>();

  constructor(history: History) {
    const [setup] = history;
    demand(setup?.type === "setup", () => "a history begins with its setup");
    this.#all = {
      history: [...history],
      setup,
      writes: [],
      reads: [],
      sessions: this.#sessions,
      streams: [],
      fenced: [],
      revisions: [],
      leaders: [],
      calm: null,
      origins: this.#origins,
      keys: [],
      told: new Float64Array(history.length + 1),
    };
  }

  take(event: Event, at: number): void {
    const { told } = this.#all;
    told[at + 1] = Math.max(told[at] ?? 0, toldBy(event));
    switch (event.type) {
      case "setup":
        demand(at === 0, () => "a second setup");
        break;
      case "invoke":
        this.#invoke(at, event);
        break;
      case "again":
        this.#operation(event.op).sent += 1;
        break;
      case "ok":
      case "fail":
        this.#operation(event.op).answers.push({ at, event });
        break;
      case "info":
        break;
      case "closed":
      case "abandoned":
      case "toldEnd":
      case "ended":
        this.#ofSession(at, event);
        break;
      case "subscribe":
      case "snapshot":
      case "delta":
      case "mark":
        this.#ofStream(at, event);
        break;
      case "fenced":
        this.#all.fenced.push({ at, event });
        break;
      case "revision":
        this.#all.revisions.push({ at, event });
        break;
      case "leader":
        this.#all.leaders.push({ at, event });
        break;
      case "calm":
        this.#all.calm ??= { at, event };
        break;
    }
  }

  done(): Recorded {
    for (const { writes } of this.#sessions.values()) {
      writes.sort((a, b) => a.call.seq - b.call.seq);
      writes.forEach(({ call: { seq, session } }, i) => {
        const isTwice = writes[i + 1]?.call.seq === seq;
        demand(!isTwice, () => `two operations are number ${seq} of ${session}`);
      });
    }
    return { ...this.#all, keys: [...this.#keys] };
  }

  #invoke(at: number, event: Invoke): void {
    const { op: id, process, call } = event;
    demand(!this.#operations.has(id), () => `operation ${id} is invoked twice`);
    const shared = { id, process, invoked: { at, event }, answers: [], sent: 1 };
    switch (call.kind) {
      case "write": {
        const write = { ...shared, call };
        this.#operations.set(id, write);
        this.#all.writes.push(write);
        this.#session(call.session).writes.push(write);
        this.#originate(write);
        break;
      }
      case "touch": {
        const touch = { ...shared, call };
        this.#operations.set(id, touch);
        this.#session(call.session).touches.push(touch);
        break;
      }
      case "read": {
        const read = { ...shared, call };
        this.#operations.set(id, read);
        this.#all.reads.push(read);
        break;
      }
      case "open": {
        const open = { ...shared, call };
        this.#operations.set(id, open);
        demand(!this.#sessions.has(call.session), () => `${call.session} is opened twice`);
        this.#sessions.set(call.session, newSession(open));
        break;
      }
    }
  }

  #originate(write: Operation<WriteCall>): void {
    const { update, isBye, puts, removes } = write.call;
    const isWhole = update === undefined || (puts.length === 1 && removes.length === 0);
    demand(isWhole, () => `update ${write.id} is not of one instance`);
    const isEmpty = puts.length + removes.length === 0;
    demand(isBye !== true || isEmpty, () => `bye ${write.id} names a key`);
    for (const put of write.call.puts) {
      demand(!this.#origins.has(put.content), () => `${put.content} is put twice`);
      this.#origins.set(put.content, { write, put });
      this.#keys.add(put.key);
    }
    for (const key of write.call.removes) {
      this.#keys.add(key);
    }
  }

  #ofSession(at: number, event: SessionEvent): void {
    const session = this.#session(event.session);
    switch (event.type) {
      case "closed":
        session.closes.push({ at, atMs: event.atMs, attach: event.attach });
        break;
      case "abandoned":
        session.abandonedAt ??= at;
        break;
      case "toldEnd":
        session.toldEnd ??= { at, event };
        break;
      case "ended":
        session.ended ??= { at, event };
        break;
    }
  }

  #ofStream(at: number, event: StreamEvent): void {
    if (event.type === "subscribe") {
      const stream = { subscribed: { at, event }, events: [] };
      this.#streams.set(event.stream, stream);
      this.#all.streams.push(stream);
      return;
    }
    const stream = this.#streams.get(event.stream);
    demand(stream !== undefined, () => `stream ${event.stream} was never subscribed to`);
    stream.events.push({ at, event });
  }

  #session(id: string): Session {
    const session = this.#sessions.get(id);
    demand(session !== undefined, () => `session ${id} was never opened`);
    return session;
  }

  #operation(id: number): Operation {
    const operation = this.#operations.get(id);
    demand(operation !== undefined, () => `operation ${id} was never invoked`);
    return operation;
  }
}

function newSession(open: Operation<OpenCall>): Session {
  return {
    id: open.call.session,
    open,
    writes: [],
    touches: [],
    closes: [],
    abandonedAt: null,
    toldEnd: null,
    ended: null,
  };
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

/** The position of the first event at `atMs` or later. */
export function firstAt(history: History, atMs: number): number {
  let low = 0;
  let high = history.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((history[middle]?.atMs ?? 0) < atMs) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

/** Whether `a` was opened before `b`, for all that clients know. */
export function isOlder(a: Session, b: Session): boolean {
  const opened = outcome(a.open);
  return opened?.event.type === "ok" && opened.at < b.open.invoked.at;
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

/** The last write of a session that said that it is over, whether or not it was answered. */
export function byeOf({ writes }: Session): Operation<WriteCall> | null {
  const last = writes.at(-1);
  return last?.call.isBye === true ? last : null;
}

/** Where a session is known to be over: nodes tell, or its bye was acknowledged. */
export function overFrom(
  session: Session,
): { readonly at: number; readonly revision: number } | null {
  if (session.ended !== null) {
    return { at: session.ended.at, revision: session.ended.event.revision };
  }
  const bye = byeOf(session);
  return bye === null ? null : acknowledged(bye);
}
