import type { Event, Key, Ok, WriteCall } from "../../jepsen-lite/history.ts";
import type { Corruption, Of, Subject } from "./corruptions.ts";
import {
  afterEnd,
  type Operations,
  operationsOf,
  type Put,
  type Read,
  readAt,
  reads,
  type Sent,
  showing,
} from "./read-corruptions.ts";

/** Of updates, of those that compare, of goodbyes, and of what is lasting. */

type Is = (operations: Operations, key: Key, refused: Sent<WriteCall>) => boolean;

/** Where an update of a key was refused with `code`, and `is` says yes to it. */
function refusals(code: string, is: Is) {
  return (subject: Subject): number[] => {
    const operations = operationsOf(subject);
    return [...operations.writesOf].flatMap(([key, writes]) =>
      writes.flatMap((write) => {
        const isOne = write.code === code && write.call.update !== undefined;
        const answer = subject.events[write.answeredAt] as Of<"fail"> | undefined;
        const isTold = isOne && answer?.revision !== null;
        return isTold && is(operations, key, write) ? [write.answeredAt] : [];
      }),
    );
  };
}

/** All the time, by a linearizable read that came after. */
const wasThere: Is = (operations, key, { invokedAt, answeredAt }) => {
  const later = operations.reads.find(
    (read) => read.invokedAt > answeredAt && read.view.some(([shown]) => shown === key),
  );
  const owed = later === undefined ? [] : operations.owed(later);
  return owed.some((put) => put.key === key && put.write.answeredAt < invokedAt);
};

/** Since a removal that was acknowledged before. */
const wasGone: Is = (operations, key, { call, invokedAt, answeredAt }) => {
  const settled = operations.settled(key, answeredAt);
  const isGone = settled?.content === null && settled.write.answeredAt < invokedAt;
  return isGone && call.update?.ifRevision !== null;
};

function refusedWith(code: string) {
  return (subject: Subject, at: number): Event[] =>
    subject.replaced(at, { ...(subject.events[at] as Of<"fail">), code });
}

function acknowledged(subject: Subject, at: number): Event[] {
  const { op, atMs, revision } = subject.events[at] as Of<"fail">;
  return subject.replaced(at, { type: "ok", op, atMs, revision });
}

const isUpdate = ({ write }: Put): boolean => write.call.update !== undefined;
const isLasting = ({ write }: Put): boolean => write.call.isLasting === true;
const isOwn = ({ write: { call } }: Put): boolean =>
  call.update === undefined && call.isLasting !== true;

function owedBy(is: (put: Put, operations: Operations) => boolean) {
  const find = (operations: Operations, read: Read): Put | undefined =>
    operations.owed(read).find((put) => is(put, operations));
  return {
    places: reads((operations, read) => find(operations, read) !== undefined),
    at: (subject: Subject, at: number) => find(operationsOf(subject), readAt(subject, at)),
  };
}

function missing(is: (put: Put) => boolean): Pick<Corruption, "places" | "make"> {
  const { places, at: owed } = owedBy(is);
  const make = (subject: Subject, at: number): Event[] => {
    const put = owed(subject, at);
    return showing(subject, at, (view) => view.filter(([, text]) => text !== put?.content));
  };
  return { places, make };
}

const formerOf = ({ key, write }: Put, operations: Operations): string | null =>
  operations.former(key, write.invokedAt);
const changed = owedBy((put, operations) => isUpdate(put) && formerOf(put, operations) !== null);
const own = owedBy(isOwn);

/** By where the answer to its goodbye stands. */
function ofBye(subject: Subject, at: number) {
  const operations = operationsOf(subject);
  const bye = operations.byes.find(({ answeredAt }) => answeredAt === at);
  return bye && afterEnd(operations, bye.call.session, at);
}

const both = { byClients: true, byReferee: true } as const;
const NOT_LOOKED = "nobody may have looked at that revision";

export const kindCorruptions: readonly Corruption[] = [
  {
    name: "an update that found nothing is acknowledged",
    places: refusals("NOT_FOUND", wasGone),
    make: acknowledged,
    byClients: NOT_LOOKED,
    byReferee: true,
  },
  {
    name: "an update that found nothing is told that it is at another revision",
    places: refusals("NOT_FOUND", wasGone),
    make: refusedWith("CONFLICT"),
    byClients: NOT_LOOKED,
    byReferee: true,
  },
  {
    name: "an update that compared with another revision is told that nothing is there",
    places: refusals("CONFLICT", wasThere),
    make: refusedWith("NOT_FOUND"),
    ...both,
  },
  {
    name: "an update that compared with another revision is acknowledged",
    places: refusals("CONFLICT", wasThere),
    make: acknowledged,
    ...both,
  },
  {
    name: "a linearizable read misses what an update made",
    ...missing(isUpdate),
    ...both,
  },
  {
    name: "a linearizable read shows what an update had changed",
    places: changed.places,
    make: (subject, at) => {
      const put = changed.at(subject, at);
      const former = put === undefined ? null : formerOf(put, operationsOf(subject));
      return showing(subject, at, (view) =>
        view.map(([key, text]) => [key, text === put?.content ? (former ?? "") : text]),
      );
    },
    ...both,
  },
  {
    name: "a linearizable read misses what is lasting",
    ...missing(isLasting),
    ...both,
  },
  {
    name: "a linearizable read shows what went with a goodbye",
    places: (subject) =>
      operationsOf(subject).byes.flatMap(({ answeredAt }) =>
        ofBye(subject, answeredAt) === undefined ? [] : [answeredAt],
      ),
    make: (subject, at) => {
      const [read, key, content = ""] = ofBye(subject, at) ?? [];
      return showing(subject, read?.answeredAt ?? 0, (view) => [
        ...view.filter(([other]) => other !== key),
        [key ?? "", content],
      ]);
    },
    ...both,
  },
  {
    name: "a goodbye is acknowledged before a linearizable read, and ends nothing",
    places: own.places,
    make: (subject, at) => {
      const { session = "" } = own.at(subject, at)?.write.call ?? {};
      const { invokedAt } = readAt(subject, at);
      const { atMs } = subject.events[invokedAt] as Of<"invoke">;
      const { revision } = subject.events[at] as Ok;
      const bye = { puts: [], removes: [], isBye: true } as const;
      const call = { kind: "write", session, seq: Number.MAX_SAFE_INTEGER, ...bye } as const;
      return [
        ...subject.events.slice(0, invokedAt),
        { type: "invoke", atMs, op: -1, process: "c1", call },
        { type: "ok", atMs, op: -1, revision },
        ...subject.events.slice(invokedAt),
      ];
    },
    ...both,
  },
  {
    name: "a session is confirmed that has said goodbye",
    places: (subject) => operationsOf(subject).byes.map(({ answeredAt }) => answeredAt),
    make: (subject, at) => {
      const answer = subject.events[at] as Ok;
      const of = subject.call(answer);
      const session = of?.kind === "write" ? of.session : "";
      const atMs = subject.events.at(-1)?.atMs ?? 0;
      const call = { kind: "touch", session, attach: 99 } as const;
      return [
        ...subject.events,
        { type: "invoke", atMs, op: -1, process: "c1", call },
        { type: "ok", atMs, op: -1, revision: null },
      ];
    },
    byClients: true,
    byReferee: "a sign of life is no act of a key",
  },
];
