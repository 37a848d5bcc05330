import type { Event, Key, Ok, ReadCall, View, WriteCall } from "../../jepsen-lite/history.ts";
import { type Corruption, edit, erased, type Of, type Subject } from "./corruptions.ts";

/** What linearizable reads show: the referee has to find all of it, and so have the others. */

export interface Sent<C> {
  readonly call: C;
  readonly invokedAt: number;
  /** Infinite where there is none; the operation has failed where `hasFailed`. */
  readonly answeredAt: number;
  readonly hasFailed: boolean;
  readonly code: string;
}

export interface Put {
  readonly key: Key;
  readonly content: string;
  readonly write: Sent<WriteCall>;
}

export interface Read extends Sent<ReadCall> {
  readonly view: View;
}

/** What it puts belongs to its session. */
function isRegistration({ update, isLasting, puts }: WriteCall): boolean {
  return update === undefined && isLasting !== true && puts.length > 0;
}

/** Whose it may be what `call` has made: an update leaves the owner, and what is lasting has none. */
function ownersOf(call: WriteCall, writes: readonly Sent<WriteCall>[]): string[] {
  if (call.isLasting === true) return [];
  if (call.update === undefined) return [call.session];
  return writes.flatMap((write) => (isRegistration(write.call) ? [write.call.session] : []));
}

/** The operations of a history, as they stand in it. */
export class Operations {
  readonly reads: Read[] = [];
  readonly writesOf = new Map<Key, Sent<WriteCall>[]>();
  /** That were acknowledged. */
  readonly byes: Sent<WriteCall>[] = [];
  /** By session: where its last sign of life that was confirmed was sent. */
  readonly lastSign = new Map<string, number>();

  constructor({ events }: Subject) {
    const answers = new Map<number, number>();
    events.forEach((event, at) => {
      if ((event.type === "ok" || event.type === "fail") && !answers.has(event.op)) {
        answers.set(event.op, at);
      }
    });
    events.forEach((event, invokedAt) => {
      if (event.type !== "invoke") return;
      const answeredAt = answers.get(event.op) ?? Number.POSITIVE_INFINITY;
      const answer = events[answeredAt];
      const hasFailed = answer?.type === "fail";
      const times = { invokedAt, answeredAt, hasFailed, code: hasFailed ? answer.code : "" };
      this.#add(event.call, times, answer);
    });
  }

  #add(
    call: Of<"invoke">["call"],
    times: Omit<Sent<unknown>, "call">,
    answer: Event | undefined,
  ): void {
    if (call.kind === "write") {
      for (const key of [...call.puts.map((put) => put.key), ...call.removes]) {
        this.writesOf.set(key, [...(this.writesOf.get(key) ?? []), { call, ...times }]);
      }
    }
    if (answer?.type !== "ok") return;
    // What says goodbye is no sign that it lives on.
    if (call.kind === "write" && call.isBye === true) {
      this.byes.push({ call, ...times });
    } else if (call.kind !== "read") {
      const known = this.lastSign.get(call.session) ?? 0;
      this.lastSign.set(call.session, Math.max(known, times.invokedAt));
    } else if (call.mode.type === "linearizable" && answer.view !== undefined) {
      this.reads.push({ call, ...times, view: answer.view });
    }
  }

  /**
   * What must have been at `key` all the time from its acknowledgement to `untilAt`: no other write is
   * on its way, or may still be, and its session lives on. Null content: it must have been empty.
   */
  settled(key: Key, untilAt: number): (Omit<Put, "content"> & { content: string | null }) | null {
    const writes = (this.writesOf.get(key) ?? []).filter(
      ({ hasFailed, invokedAt }) => !hasFailed && invokedAt < untilAt,
    );
    const last = writes.at(-1);
    if (last === undefined || last.answeredAt > untilAt) return null;
    const isAlone = writes.every((other) => other === last || other.answeredAt < last.invokedAt);
    const content = last.call.puts.find((put) => put.key === key)?.content ?? null;
    const livesOn = ownersOf(last.call, writes).every(
      (session) => (this.lastSign.get(session) ?? 0) > untilAt,
    );
    return isAlone && (content === null || livesOn) ? { key, content, write: last } : null;
  }

  /** What this read has to show, each acknowledged before it was sent. */
  owed(read: Read): Put[] {
    return read.view.flatMap(([key, content]) => {
      const put = this.settled(key, read.answeredAt);
      const isOwed = put?.content === content && put.write.answeredAt < read.invokedAt;
      return isOwed ? [{ ...put, content }] : [];
    });
  }

  /** The last acknowledged content of `key` before `at`. */
  former(key: Key, at: number): string | null {
    const before = (this.writesOf.get(key) ?? []).findLast(
      ({ call, answeredAt, hasFailed }) => !hasFailed && answeredAt < at && call.puts.length > 0,
    );
    return before?.call.puts.find((put) => put.key === key)?.content ?? null;
  }

  /** The last answer to the same question that came before `put` was sent. */
  before(read: Read, put: Put): Read | undefined {
    return this.reads.findLast(
      (other) =>
        other.answeredAt < put.write.invokedAt &&
        JSON.stringify(other.call) === JSON.stringify(read.call),
    );
  }
}

const known = new WeakMap<Subject, Operations>();

export function operationsOf(subject: Subject): Operations {
  const operations = known.get(subject) ?? new Operations(subject);
  known.set(subject, operations);
  return operations;
}

export function readAt(subject: Subject, at: number): Read {
  return operationsOf(subject).reads.find(({ answeredAt }) => answeredAt === at) as Read;
}

/** Where reads are answered of which `is` says yes. */
export function reads(is: (operations: Operations, read: Read) => boolean) {
  return (subject: Subject): number[] => {
    const operations = operationsOf(subject);
    return operations.reads.flatMap((read) => (is(operations, read) ? [read.answeredAt] : []));
  };
}

export function showing(subject: Subject, at: number, change: (view: View) => View): Event[] {
  return edit<Ok>(subject, at, (event) => ({ ...event, view: change(event.view ?? []) }));
}

/** Of what a read owes, what had another content before, with that. */
function replacing(operations: Operations, read: Read): [Put, string] | undefined {
  const all = operations.owed(read).flatMap((put): [Put, string][] => {
    const former = operations.former(put.key, put.write.invokedAt);
    return former === null ? [] : [[put, former]];
  });
  return all[0];
}

/** A key that this read rightly shows as empty after a removal, with what it had before. */
function removed(operations: Operations, read: Read): [Key, string] | undefined {
  const shown = new Set(read.view.map(([key]) => key));
  const { application } = read.call.selector;
  for (const key of operations.writesOf.keys()) {
    const isCovered = key.split("/")[1] === application && read.call.selector.meta.length === 0;
    const settled = isCovered && !shown.has(key) ? operations.settled(key, read.answeredAt) : null;
    if (settled?.content === null && settled.write.answeredAt < read.invokedAt) {
      const former = operations.former(key, settled.write.invokedAt);
      if (former !== null) return [key, former];
    }
  }
  return undefined;
}

/** What a read owes that an earlier answer to the same question could not show. */
function news(operations: Operations, read: Read): [Put, Read] | undefined {
  const all = operations.owed(read).flatMap((put): [Put, Read][] => {
    const before = operations.before(read, put);
    return before === undefined ? [] : [[put, before]];
  });
  return all[0];
}

/** Refusals of one key that showed the same before and after. */
function refusals(subject: Subject): number[] {
  const operations = operationsOf(subject);
  return [...operations.writesOf].flatMap(([key, writes]) =>
    writes.flatMap(({ call, code, invokedAt, answeredAt }) => {
      const isOne = code === "TAKEN_OVER" && call.puts.length + call.removes.length === 1;
      const shows = (read: Read | undefined): string | undefined =>
        read?.view.find(([other]) => other === key)?.[1];
      const application = key.split("/")[1];
      const ofKey = operations.reads.filter(
        (read) => read.call.selector.application === application,
      );
      const before = shows(ofKey.findLast((read) => read.answeredAt < invokedAt));
      const after = shows(ofKey.find((read) => read.invokedAt > answeredAt));
      return isOne && before !== undefined && before === after ? [answeredAt] : [];
    }),
  );
}

/** The first read after the end that `at` tells, and what the session had put that was there last. */
function afterTold(subject: Subject, at: number): [Read, Key, string] | undefined {
  const event = subject.events[at];
  if (event?.type !== "toldEnd" || event.reason === "unknown") return undefined;
  return afterEnd(operationsOf(subject), event.session, at);
}

/** The same, of an end at `at`. */
export function afterEnd(
  operations: Operations,
  session: string,
  at: number,
): [Read, Key, string] | undefined {
  for (const [key, writes] of operations.writesOf) {
    const [, application] = key.split("/");
    const read = operations.reads.find(
      ({ invokedAt, call: { selector } }) =>
        invokedAt > at && selector.application === application && selector.meta.length === 0,
    );
    const last = writes.findLast(
      ({ call, answeredAt, hasFailed }) =>
        !hasFailed && answeredAt < at && call.session === session && isRegistration(call),
    );
    const content = last?.call.puts.find((put) => put.key === key)?.content;
    const isSeen = operations.reads.some(
      ({ answeredAt, view }) => answeredAt < at && view.some(([, text]) => text === content),
    );
    if (read !== undefined && content !== undefined && isSeen) return [read, key, content];
  }
  return undefined;
}

const both = { byClients: true, byReferee: true } as const;

export const readCorruptions: readonly Corruption[] = [
  {
    name: "a linearizable read misses what was acknowledged before it",
    places: reads((operations, read) => operations.owed(read).length > 0),
    make: (subject, at) => {
      const [put] = operationsOf(subject).owed(readAt(subject, at));
      return showing(subject, at, (view) => view.filter(([, text]) => text !== put?.content));
    },
    ...both,
  },
  {
    name: "what a linearizable read shows is lost everywhere",
    places: reads((operations, read) => operations.owed(read).length > 0),
    make: (subject, at) => {
      const [put] = operationsOf(subject).owed(readAt(subject, at));
      return erased(subject.events, put?.content ?? "");
    },
    ...both,
  },
  {
    name: "a linearizable read shows what had been replaced",
    places: reads((operations, read) => replacing(operations, read) !== undefined),
    make: (subject, at) => {
      const [put, former] = replacing(operationsOf(subject), readAt(subject, at)) ?? [];
      return showing(subject, at, (view) =>
        view.map(([key, text]) => [key, text === put?.content ? (former ?? "") : text]),
      );
    },
    ...both,
  },
  {
    name: "a linearizable read shows what had been removed",
    places: reads((operations, read) => removed(operations, read) !== undefined),
    make: (subject, at) => {
      const back = removed(operationsOf(subject), readAt(subject, at));
      return showing(subject, at, (view) => (back === undefined ? view : [...view, back]));
    },
    ...both,
  },
  {
    name: "a linearizable read has the view of an earlier one",
    places: reads((operations, read) => news(operations, read) !== undefined),
    make: (subject, at) => {
      const [, before] = news(operationsOf(subject), readAt(subject, at)) ?? [];
      return showing(subject, at, () => before?.view ?? []);
    },
    ...both,
  },
  {
    name: "the answers to two linearizable reads are swapped",
    places: reads((operations, read) => news(operations, read) !== undefined),
    make: (subject, at) => {
      const [, before] = news(operationsOf(subject), readAt(subject, at)) ?? [];
      const [one, other] = [before?.answeredAt ?? 0, at];
      const events = [...subject.events];
      const [first, second] = [events[one] as Ok, events[other] as Ok];
      events[one] = { ...second, op: first.op, atMs: first.atMs };
      events[other] = { ...first, op: second.op, atMs: second.atMs };
      return events;
    },
    ...both,
  },
  {
    name: "a write that a linearizable read shows is refused",
    places: reads((operations, read) => operations.owed(read).length > 0),
    make: (subject, at) => {
      const [put] = operationsOf(subject).owed(readAt(subject, at));
      const answeredAt = put?.write.answeredAt ?? 0;
      const { op, atMs } = subject.events[answeredAt] as Ok;
      const refusal = { type: "fail", op, atMs, code: "LIMIT", revision: null } as const;
      return subject.replaced(answeredAt, refusal);
    },
    ...both,
  },
  {
    name: "a write that was refused for a newer session is acknowledged",
    places: refusals,
    make: (subject, at) => {
      const { op, atMs, revision } = subject.events[at] as Of<"fail">;
      return subject.replaced(at, { type: "ok", op, atMs, revision });
    },
    ...both,
  },
];

/** The same, where clients are told of ends. */
export const toldReadCorruptions: readonly Corruption[] = [
  {
    name: "a linearizable read shows what a session owned whose client had been told its end",
    places: (subject) => subject.where((_, at) => afterTold(subject, at) !== undefined),
    make: (subject, at) => {
      const [read, key, content = ""] = afterTold(subject, at) ?? [];
      return showing(subject, read?.answeredAt ?? 0, (view) => [
        ...view.filter(([other]) => other !== key),
        [key ?? "", content],
      ]);
    },
    ...both,
  },
];
