import type { Event, Ok } from "../../jepsen-lite/history.ts";

export type Of<T extends Event["type"]> = Event & { type: T };

/** A history, and what is known of it without a checker's help. */
export class Subject {
  readonly events: readonly Event[];
  readonly #calls = new Map<number, Of<"invoke">>();
  /** Revisions of acknowledged writes by content. */
  readonly #acknowledged = new Map<string, number>();
  readonly #firstAnswers = new Set<Event>();

  constructor(events: readonly Event[]) {
    this.events = events;
    const answered = new Set<number>();
    for (const event of events) {
      if (event.type === "invoke") {
        this.#calls.set(event.op, event);
      }
      if ((event.type === "ok" || event.type === "fail") && !answered.has(event.op)) {
        answered.add(event.op);
        this.#firstAnswers.add(event);
        for (const content of event.type === "ok" ? this.puts(event) : []) {
          this.#acknowledged.set(content, event.revision ?? 0);
        }
      }
    }
  }

  call(answer: { readonly op: number }) {
    return this.#calls.get(answer.op)?.call;
  }

  process(answer: { readonly op: number }): string | undefined {
    return this.#calls.get(answer.op)?.process;
  }

  /** What the write that is answered puts. */
  puts(answer: { readonly op: number }): readonly string[] {
    const call = this.call(answer);
    return call?.kind === "write" ? call.puts.map(({ content }) => content) : [];
  }

  isFirstAnswer(event: Event): boolean {
    return this.#firstAnswers.has(event);
  }

  revisionOf(content: string): number | undefined {
    return this.#acknowledged.get(content);
  }

  /** Of the event's stream, what comes after it. */
  after(at: number): Of<"snapshot" | "delta" | "mark">[] {
    const event = this.events[at];
    if (event === undefined || !("stream" in event)) return [];
    return this.events.slice(at + 1).filter((other) => {
      return "stream" in other && other.stream === event.stream && other.type !== "subscribe";
    }) as Of<"snapshot" | "delta" | "mark">[];
  }

  /** The highest revision that `process`, or anybody for null, had been answered by then. */
  told(op: number, process: string | null): number {
    const at = this.events.findIndex((event) => event.type === "invoke" && event.op === op);
    return this.events.slice(0, at).reduce((highest, event) => {
      const isAnswer =
        event.type === "ok" && (process ?? this.process(event)) === this.process(event);
      return isAnswer ? Math.max(highest, event.revision ?? 0) : highest;
    }, 0);
  }

  where(is: (event: Event, at: number) => boolean): number[] {
    return this.events.flatMap((event, at) => (is(event, at) ? [at] : []));
  }

  /** With other events at `at`. */
  replaced(at: number, ...events: Event[]): Event[] {
    return [...this.events.slice(0, at), ...events, ...this.events.slice(at + 1)];
  }
}

export interface Corruption {
  readonly name: string;
  /** Where it can be made, and has to be found. */
  readonly places: (subject: Subject) => number[];
  readonly make: (subject: Subject, at: number) => Event[];
  /**
   * Whether it has to be found by what clients saw alone; a text says why it is not. "Acknowledged"
   * in the name of a corruption means that the answer to the write is the second witness.
   */
  readonly byClients: true | string;
  /** Whether the referee has to find it by what clients saw alone; a text says why it cannot. */
  readonly byReferee: true | string;
}

function isUnmarked(event: Event | undefined): event is Of<"delta"> {
  return event?.type === "delta" && event.collapsed === null;
}

/** Whether the stream goes on, and so claims that nothing was missing. */
function goesOn(subject: Subject, at: number, revision: number): boolean {
  const next = subject.after(at)[0];
  return (next?.type === "mark" || isUnmarked(next)) && next.revision > revision;
}

/** A delta of an acknowledged write, with more of its stream to come. */
function isWitnessed(subject: Subject, event: Event, at: number): event is Of<"delta"> {
  return (
    isUnmarked(event) &&
    event.put.some(([, content]) => subject.revisionOf(content) === event.revision) &&
    goesOn(subject, at, event.revision)
  );
}

function isReset(event: Event): event is Of<"snapshot"> {
  return event.type === "snapshot" && event.isReset;
}

/** Where a stream of deltas has begun already, and so must say that it begins anew. */
function isFollowing(subject: Subject, at: number): boolean {
  const { stream } = subject.events[at] as Of<"snapshot">;
  const before = subject.events.slice(0, at).filter((event) => {
    return "stream" in event && event.stream === stream;
  });
  const [subscribed, ...seen] = before;
  return (
    subscribed?.type === "subscribe" &&
    subscribed.mode === "delta" &&
    (subscribed.from !== null || seen.some(({ type }) => type === "snapshot"))
  );
}

export function edit<E extends Event>(
  subject: Subject,
  at: number,
  change: (event: E) => E,
): Event[] {
  return subject.replaced(at, change(subject.events[at] as E));
}

const never = "nobody but nodes tells it";
const WATCH = "a watch is not linearizable";
const REVISION = "it believes no revision";

const ofStreams: readonly Corruption[] = [
  {
    name: "a delta of an acknowledged write is dropped",
    places: (subject) => subject.where((event, at) => isWitnessed(subject, event, at)),
    make: (subject, at) => subject.replaced(at),
    byClients: true,
    byReferee: WATCH,
  },
  {
    name: "a delta of a removal is dropped",
    places: (subject) =>
      subject.where(
        (event, at) =>
          isUnmarked(event) && event.remove.length > 0 && goesOn(subject, at, event.revision),
      ),
    make: (subject, at) => subject.replaced(at),
    byClients: "the end of a session may have been seen by this stream alone",
    byReferee: WATCH,
  },
  {
    name: "a delta comes twice",
    places: (subject) => subject.where(isUnmarked),
    make: (subject, at) => {
      const event = subject.events[at] as Event;
      return subject.replaced(at, event, event);
    },
    byClients: true,
    byReferee: WATCH,
  },
  {
    name: "two deltas of a stream are swapped",
    places: (subject) =>
      subject.where((event, at) => isUnmarked(event) && isUnmarked(subject.after(at)[0])),
    make: (subject, at) => {
      const next = subject.after(at)[0] as Event;
      const later = subject.events.indexOf(next);
      const events = [...subject.events];
      [events[at], events[later]] = [next, events[at] as Event];
      return events;
    },
    byClients: true,
    byReferee: WATCH,
  },
  {
    name: "a delta of an acknowledged write has another revision",
    places: (subject) => subject.where((event, at) => isWitnessed(subject, event, at)),
    make: (subject, at) =>
      edit<Of<"delta">>(subject, at, (event) => ({ ...event, revision: event.revision - 1 })),
    byClients: true,
    byReferee: WATCH,
  },
  {
    name: "a RESET is not marked",
    places: (subject) => subject.where((event, at) => isReset(event) && isFollowing(subject, at)),
    make: (subject, at) =>
      edit<Of<"snapshot">>(subject, at, (event) => ({ ...event, isReset: false })),
    byClients: true,
    byReferee: WATCH,
  },
  {
    name: "an instance of an acknowledged write is missing in a snapshot of its revision",
    places: (subject) =>
      subject.where(
        (event) =>
          event.type === "snapshot" &&
          event.view.some(([, content]) => subject.revisionOf(content) === event.revision),
      ),
    make: (subject, at) =>
      edit<Of<"snapshot">>(subject, at, (event) => ({
        ...event,
        view: event.view.filter(([, content]) => subject.revisionOf(content) !== event.revision),
      })),
    byClients: true,
    byReferee: WATCH,
  },
  {
    name: "a mark is ahead of a delta",
    places: (subject) =>
      subject.where((event, at) => event.type === "mark" && isUnmarked(subject.after(at)[0])),
    make: (subject, at) =>
      edit<Of<"mark">>(subject, at, (event) => ({
        ...event,
        revision: subject.after(at)[0]?.revision ?? 0,
      })),
    byClients: true,
    byReferee: WATCH,
  },
];

function isRead(subject: Subject, event: Event, mode?: string): event is Ok {
  const call = event.type === "ok" ? subject.call(event) : undefined;
  return call?.kind === "read" && (mode === undefined || call.mode.type === mode);
}

/** An earlier answer to the same question, at a revision that is not this one. */
function earlier(subject: Subject, at: number): Ok | undefined {
  const event = subject.events[at] as Ok;
  const call = subject.call(event);
  return subject.events.slice(0, at).find((other): other is Ok => {
    if (!isRead(subject, other) || other.revision === event.revision) return false;
    const of = subject.call(other);
    return (
      call?.kind === "read" &&
      of?.kind === "read" &&
      JSON.stringify(of.selector) === JSON.stringify(call.selector)
    );
  });
}

/** A read that shows an acknowledged write of the very revision that it is of. */
function showsOwnRevision(subject: Subject, event: Event): boolean {
  return (
    isRead(subject, event) &&
    (event.view ?? []).some(([, content]) => subject.revisionOf(content) === event.revision)
  );
}

const ofReads: readonly Corruption[] = [
  {
    name: "an instance of an acknowledged write is missing in a read of its revision",
    places: (subject) => subject.where((event) => showsOwnRevision(subject, event)),
    make: (subject, at) =>
      edit<Ok>(subject, at, (event) => ({
        ...event,
        view: (event.view ?? []).filter(
          ([, content]) => subject.revisionOf(content) !== event.revision,
        ),
      })),
    byClients: true,
    byReferee: "it may be a stale read; see the corruptions of linearizable ones",
  },
  {
    name: "a read is shifted back by the revision of what it shows",
    places: (subject) => subject.where((event) => showsOwnRevision(subject, event)),
    make: (subject, at) =>
      edit<Ok>(subject, at, (event) => ({ ...event, revision: (event.revision ?? 0) - 1 })),
    byClients: true,
    byReferee: REVISION,
  },
  {
    name: "a linearizable read is of the past",
    places: (subject) =>
      subject.where(
        (event, at) =>
          isRead(subject, event, "linearizable") &&
          subject.told(event.op, null) > (earlier(subject, at)?.revision ?? Infinity),
      ),
    make: (subject, at) => {
      const { revision = 0, view = [] } = earlier(subject, at) ?? {};
      return edit<Ok>(subject, at, (event) => ({ ...event, revision, view }));
    },
    byClients: true,
    byReferee:
      "what has changed since may be of other keys; see the corruptions of linearizable reads",
  },
  {
    name: "a stale read is of before its process began",
    places: (subject) =>
      subject.where(
        (event) =>
          isRead(subject, event, "stale") &&
          subject.told(event.op, subject.process(event) ?? "") > 0,
      ),
    make: (subject, at) =>
      edit<Ok>(subject, at, (event) => ({ ...event, revision: 0, view: [], asOfMs: null })),
    byClients: true,
    byReferee: "a stale read may be of any time",
  },
];

function isAckedPut(subject: Subject, event: Event): event is Ok {
  return event.type === "ok" && subject.puts(event).length > 0 && subject.isFirstAnswer(event);
}

/** The next acknowledged put of the same session. */
function nextPut(subject: Subject, at: number): number {
  const event = subject.events[at] as Ok;
  const call = subject.call(event);
  const session = call?.kind === "write" ? call.session : "";
  return subject.events.findIndex((other, place) => {
    if (place <= at || !isAckedPut(subject, other)) return false;
    const of = subject.call(other);
    return of?.kind === "write" && of.session === session;
  });
}

/** Without any trace of a content; what is left of a delta without it is nothing. */
export function erased(events: readonly Event[], content: string): Event[] {
  return events.flatMap((event): Event[] => {
    if ((event.type === "snapshot" || event.type === "ok") && event.view !== undefined) {
      return [{ ...event, view: event.view.filter(([, text]) => text !== content) }];
    }
    if (event.type === "revision" || event.type === "delta") {
      const put = event.put.filter(([, text]) => text !== content);
      const isEmpty = event.type === "delta" && put.length + event.remove.length === 0;
      return isEmpty ? [] : [{ ...event, put }];
    }
    if (event.type === "subscribe" && event.from !== null) {
      const view = (event.from.view ?? []).filter(([, text]) => text !== content);
      return [{ ...event, from: { ...event.from, view } }];
    }
    return [event];
  });
}

const ofWrites: readonly Corruption[] = [
  {
    name: "an acknowledged write is lost everywhere",
    places: (subject) => subject.where((event) => isAckedPut(subject, event)),
    make: (subject, at) => {
      const [content = ""] = subject.puts(subject.events[at] as Ok);
      return erased(subject.events, content);
    },
    byClients: "where nobody looks at its revision, its session may have ended just after",
    byReferee: "no linearizable read may have shown it; see the corruptions of those",
  },
  {
    name: "an answer names another revision",
    places: (subject) => subject.where((event) => isAckedPut(subject, event)),
    make: (subject, at) =>
      edit<Ok>(subject, at, (event) => ({ ...event, revision: (event.revision ?? 0) + 1 })),
    byClients: "where nobody has seen the write and nothing was told in between, it may be true",
    byReferee: REVISION,
  },
  {
    name: "two answers of a session are swapped",
    places: (subject) =>
      subject.where((event, at) => isAckedPut(subject, event) && nextPut(subject, at) > at),
    make: (subject, at) => {
      const later = nextPut(subject, at);
      const [one, other] = [subject.events[at] as Ok, subject.events[later] as Ok];
      const events = [...subject.events];
      events[at] = { ...one, revision: other.revision };
      events[later] = { ...other, revision: one.revision };
      return events;
    },
    byClients: true,
    byReferee: REVISION,
  },
  {
    name: "a write that was seen is refused",
    places: (subject) =>
      subject.where(
        (event) =>
          isAckedPut(subject, event) &&
          subject.events.some(
            (other) =>
              isUnmarked(other) &&
              other.put.some(([, content]) => subject.puts(event).includes(content)),
          ),
      ),
    make: (subject, at) =>
      edit(
        subject,
        at,
        ({ op, atMs }: Ok) => ({ type: "fail", op, atMs, code: "LIMIT", revision: null }) as never,
      ),
    byClients: true,
    byReferee: "it may be a watch that saw it; see the corruptions of linearizable reads",
  },
  {
    name: "a copy is answered otherwise",
    places: (subject) => subject.where((event) => isAckedPut(subject, event)),
    make: (subject, at) => {
      const event = subject.events[at] as Ok;
      return subject.replaced(at, event, { ...event, revision: (event.revision ?? 0) + 1 });
    },
    byClients: true,
    byReferee: "the first answer is what its client goes by",
  },
  {
    name: "a write has two effects",
    places: (subject) =>
      subject.where((event) => event.type === "revision" && event.put.length > 0).slice(0, -2),
    make: (subject, at) => {
      const event = subject.events[at] as Of<"revision">;
      const last = subject.events.findLastIndex(({ type }) => type === "revision");
      return new Subject(subject.events).replaced(last, {
        ...(subject.events[last] as Of<"revision">),
        put: event.put,
      });
    },
    byClients: never,
    byReferee: never,
  },
  {
    name: "a revision is left out",
    places: (subject) => subject.where((event) => event.type === "revision").slice(0, -1),
    make: (subject, at) => subject.replaced(at),
    byClients: never,
    byReferee: never,
  },
];

function isEnd(event: Event, reason: string): event is Of<"ended"> {
  return event.type === "ended" && event.reason === reason;
}

/** The last sign of life of a session that was confirmed. */
function lastSign(subject: Subject, session: string): Of<"invoke"> | undefined {
  const confirmed = new Set(
    subject.events.flatMap((event) => (event.type === "ok" ? [event.op] : [])),
  );
  return subject.events.findLast(
    (event): event is Of<"invoke"> =>
      event.type === "invoke" &&
      (event.call.kind === "open" || event.call.kind === "touch") &&
      event.call.session === session &&
      confirmed.has(event.op),
  );
}

function ttlMsOf(subject: Subject, session: string): number {
  return subject.events.reduce((found, event) => {
    const call = event.type === "invoke" && event.call.kind === "open" ? event.call : null;
    return call?.session === session ? call.ttlMs : found;
  }, 0);
}

const TOLD = "an end that is told comes before that, whenever it should have come";

function isToldTtl(subject: Subject, event: Event): event is Of<"toldEnd"> {
  return (
    event.type === "toldEnd" &&
    event.reason === "ttl" &&
    lastSign(subject, event.session) !== undefined
  );
}

/** After a part of its TTL. */
function toldEarly(subject: Subject, at: number, part: number, reason: string): Event[] {
  const told = subject.events[at] as Of<"toldEnd">;
  const sentMs = lastSign(subject, told.session)?.atMs ?? 0;
  const atMs = sentMs + ttlMsOf(subject, told.session) * part;
  const others = subject.replaced(at);
  const place = others.findIndex((event) => event.atMs > atMs);
  return [...others.slice(0, place), { ...told, reason, atMs }, ...others.slice(place)];
}

const ofSessions: readonly Corruption[] = [
  {
    name: "a session ends half a TTL early",
    places: (subject) =>
      subject.where(
        (event) => isEnd(event, "ttl") && lastSign(subject, event.session) !== undefined,
      ),
    make: (subject, at) => {
      const { session } = subject.events[at] as Of<"ended">;
      const sentMs = lastSign(subject, session)?.atMs ?? 0;
      const atMs = sentMs + ttlMsOf(subject, session) / 2;
      return edit<Of<"ended">>(subject, at, (event) => ({ ...event, atMs }));
    },
    byClients: never,
    byReferee: never,
  },
  {
    name: "a session ends by a grace that never began",
    places: (subject) =>
      subject.where(
        (event) => isEnd(event, "grace") && lastSign(subject, event.session) !== undefined,
      ),
    make: (subject, at) => {
      const { session } = subject.events[at] as Of<"ended">;
      return subject.events.filter((event) => event.type !== "closed" || event.session !== session);
    },
    byClients: never,
    byReferee: never,
  },
  {
    name: "a session that was left ends minutes late",
    places: (subject) => {
      const calmAt = subject.events.findIndex(({ type }) => type === "calm");
      return subject.where(
        (event, at) =>
          event.type === "ended" &&
          at > calmAt &&
          calmAt > 0 &&
          lastSign(subject, event.session) !== undefined &&
          subject.events.some(
            (left) => left.type === "abandoned" && left.session === event.session,
          ),
      );
    },
    make: (subject, at) =>
      edit<Of<"ended">>(subject, at, (event) => ({ ...event, atMs: event.atMs + 10 * 60_000 })),
    byClients: never,
    byReferee: never,
  },
  {
    name: "a session is confirmed after its end",
    places: (subject) => subject.where((event) => event.type === "ended"),
    make: (subject, at) => {
      const { session, atMs } = subject.events[at] as Of<"ended">;
      const call = { kind: "touch", session, attach: 99 } as const;
      return [
        ...subject.events,
        { type: "invoke", atMs, op: -1, process: "c1", call },
        { type: "ok", atMs, op: -1, revision: null },
      ];
    },
    byClients: never,
    byReferee: never,
  },
  {
    name: "what a session owned is there after its end",
    places: (subject) => {
      const ends = new Set(
        subject.events.flatMap((event) => (event.type === "ended" ? [event.revision] : [])),
      );
      return subject.where(
        (event) => event.type === "revision" && event.remove.length > 0 && ends.has(event.revision),
      );
    },
    make: (subject, at) => edit<Of<"revision">>(subject, at, (event) => ({ ...event, remove: [] })),
    byClients: never,
    byReferee: never,
  },
];

export const corruptions: readonly Corruption[] = [
  ...ofStreams,
  ...ofReads,
  ...ofWrites,
  ...ofSessions,
];

/** What clients are told of ends; rare where clients seldom stand still. */
export const toldCorruptions: readonly Corruption[] = [
  {
    name: "a client is told half a TTL early that its session has ended",
    places: (subject) => subject.where((event) => isToldTtl(subject, event)),
    make: (subject, at) => toldEarly(subject, at, 1 / 2, "ttl"),
    byClients: true,
    byReferee: TOLD,
  },
  {
    name: "a client is told at once that nobody knows its session",
    places: (subject) => subject.where((event) => isToldTtl(subject, event)),
    make: (subject, at) => toldEarly(subject, at, 1 / 100, "unknown"),
    byClients: true,
    byReferee: TOLD,
  },
];
