import fc from "fast-check";
import type { Command, EndReason, SessionCommand } from "../../src/registry/command.ts";
import type { InstanceSpec } from "../../src/registry/instance.ts";
import { meta, open, spec } from "./commands.ts";
import type { Model, ModelContext } from "./model.ts";

export const ids = ["a", "b", "c", "d", "e", "f", "g"];
const terms = [1, 2];

const id = fc.constantFrom(...ids);
const address = fc.constantFrom("h:1", "h:2", "h:3", "h:4", "h:5", "h:6");
const instance = fc
  .record({
    addr: address,
    application: fc.constantFrom("shop", "shop", "till"),
    protocol: fc.constantFrom("http", "http", "http", "grpc"),
    weight: fc.constantFrom(100, 100, 50),
    meta: fc.constantFrom(meta(), meta(["tag", "read"])),
    location: fc.constantFrom(null, null, { zone: "z" }, { zone: "y" }),
    isPersistent: fc.constantFrom(false, false, false, false, true),
  })
  .map(({ addr, ...rest }): InstanceSpec => spec(addr, rest));

const content = fc.constantFrom<Extract<Command, { type: "update" }>["set"]>(
  {},
  { weight: 100 },
  { weight: 7, status: "draining", reason: "deploy" },
  { meta: meta(["tag", "read"]), version: "2" },
  { location: { zone: "z" }, version: null },
);

type Body = SessionCommand extends infer C
  ? C extends SessionCommand
    ? Omit<C, "session" | "seq" | "floor">
    : never
  : never;

const body: fc.Arbitrary<Body> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      type: fc.constant("register" as const),
      instances: fc.array(instance, { minLength: 1, maxLength: 4 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      type: fc.constant("update" as const),
      key: instance,
      set: content,
      ifRevision: fc.option(fc.nat(20), { freq: 3 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      type: fc.constant("deregister" as const),
      keys: fc.array(instance, { minLength: 1, maxLength: 3 }),
    }),
  },
  { weight: 1, arbitrary: fc.constant({ type: "closeSession" as const }) },
);

/** A step relative to the state it meets, so that most numbers are near the one expected. */
type Step =
  | { readonly type: "open"; readonly id: string; readonly isOther: boolean; readonly lag: number }
  | {
      readonly type: "numbered";
      /** Nearly always of one that is in the state, if there is any. */
      readonly id: string;
      readonly place: number | null;
      readonly body: Body;
      readonly ahead: number;
      readonly unanswered: number;
    }
  | {
      readonly type: "expire";
      readonly ids: readonly string[];
      readonly reason: EndReason;
      readonly term: number;
    }
  /** Of an ending session, if there is one. */
  | { readonly type: "reap"; readonly id: string; readonly isAny: boolean }
  | { readonly type: "raise"; readonly version: number }
  /** A command of before once more, as a late duplicate. */
  | { readonly type: "again"; readonly back: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      type: fc.constant("open" as const),
      id,
      isOther: fc.constantFrom(false, false, false, false, true),
      lag: fc.constantFrom(0, 0, 0, 3, 20),
    }),
  },
  {
    weight: 16,
    arbitrary: fc.record({
      type: fc.constant("numbered" as const),
      id,
      place: fc.option(fc.nat(6), { freq: 8 }),
      body,
      ahead: fc.constantFrom(0, 0, 0, 0, 0, 0, 1, 2, -1, -2),
      unanswered: fc.constantFrom(0, 0, 1, 2, 3, 4, -1, -3),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      type: fc.constant("expire" as const),
      ids: fc.array(id, { minLength: 1, maxLength: 3 }),
      reason: fc.constantFrom<EndReason[]>("ttl", "grace", "killed"),
      term: fc.constantFrom(...terms),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      type: fc.constant("reap" as const),
      id,
      isAny: fc.constantFrom(false, false, false, true),
    }),
  },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("raise" as const), version: fc.nat(3) }) },
  {
    weight: 4,
    arbitrary: fc.record({
      type: fc.constant("again" as const),
      back: fc.integer({ min: 1, max: 40 }),
    }),
  },
);

export const history = fc.array(
  fc.record({
    step,
    term: fc.constantFrom(...terms),
    isNewEntry: fc.boolean(),
    clockMs: fc.constantFrom(1, 1, 0, -5),
  }),
  { minLength: 20, maxLength: 100, size: "max" },
);
export const limits = fc.record({
  removalsPerCommandMax: fc.constantFrom(1, 1, 2, 3),
  tombstonesMax: fc.integer({ min: 1, max: 4 }),
  unansweredPerSessionMax: fc.integer({ min: 1, max: 4 }),
});
export type History = typeof history extends fc.Arbitrary<infer T> ? T : never;

function commandOf(now: Step, model: Model, sent: readonly Command[], index: number): Command {
  switch (now.type) {
    case "open":
      return open(now.id, {
        secretHash: now.isOther ? "another" : "secret",
        appliedIndex: Math.max(0, index - now.lag),
      });
    case "numbered": {
      const here = now.place === null ? 0 : now.place % Math.max(1, model.sessions.length);
      const found = now.place === null ? model.session(now.id) : model.sessions[here];
      const { lastSeq, id: session } = found ?? { lastSeq: 0, id: now.id };
      const seq = Math.max(0, lastSeq + 1 + now.ahead);
      return { session, seq, floor: seq - now.unanswered, ...now.body } as SessionCommand;
    }
    case "expire":
      return {
        type: "expireSessions",
        term: now.term,
        sessions: now.ids.map((session) => ({ session, reason: now.reason })),
      };
    case "reap": {
      const ending = model.sessions.find((one) => one.ending !== null && !now.isAny);
      return { type: "reapSession", session: ending?.id ?? now.id };
    }
    case "raise":
      return { type: "raiseStateVersion", version: now.version };
    case "again":
      return sent[sent.length - now.back] ?? { type: "reapSession", session: "nobody" };
    default:
      throw new Error(JSON.stringify(now));
  }
}

export interface Told {
  readonly context: ModelContext;
  readonly command: Command;
}

/** Commands with their places in a log, made by playing the history to a model. */
export function play(
  steps: History,
  model: Model,
  each: (told: Told, expected: ReturnType<Model["apply"]>) => void,
): void {
  const sent: Command[] = [];
  let index = 1;
  let atMs = 1000;
  for (const { step: now, term, isNewEntry, clockMs } of steps) {
    index += isNewEntry ? 1 : 0;
    atMs += clockMs;
    const context = { index, term, atMs };
    const command = commandOf(now, model, sent, index);
    sent.push(command);
    each({ context, command }, model.apply(context, command));
  }
}
