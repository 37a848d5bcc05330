import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Act, type Model, search } from "../../jepsen-lite/checker/linearizable.ts";

/**
 * A register of which each content is written once; 0 is an empty one. What is written has the writer
 * for its owner, and a change leaves it.
 */
interface RegisterAct extends Act {
  readonly kind: "write" | "change" | "clear" | "clearOwn" | "read" | "refused";
  /** Of a read: the content; of a write, and of what `clearOwn` clears: the owner. */
  readonly state: number;
}

/** A state is a content and, so many times, an owner. */
const SPAN = 100_000;

const register: Model<RegisterAct> = {
  shown: (state) => state % SPAN,
  step: (state, act) => {
    const content = state % SPAN;
    switch (act.kind) {
      case "write":
        return act.state * SPAN + (act.makes ?? 0);
      case "change":
        return content === 0 ? null : state - content + (act.makes ?? 0);
      case "clear":
        return 0;
      case "clearOwn":
        return state === 0 || Math.floor(state / SPAN) !== act.state ? state : 0;
      case "read":
        return content === act.state ? state : null;
      case "refused":
        return state === 0 ? null : state;
    }
  },
};

const STEPS_MAX = 1_000_000;

type Draft = Pick<RegisterAct, "kind" | "call" | "return"> & Partial<RegisterAct>;

function act({ kind, ...draft }: Draft): RegisterAct {
  const isLook = kind === "read" || kind === "refused";
  return { kind, lane: null, isLook, awaits: null, makes: null, state: 0, ...draft };
}

/** Tries every order. */
function naive(acts: readonly RegisterAct[]): boolean {
  const isPossible = (left: readonly RegisterAct[], state: number): boolean => {
    const firstReturn = Math.min(...left.map((each) => each.return));
    if (firstReturn === Number.POSITIVE_INFINITY) return true;
    return left.some((each) => {
      const before = left.slice(0, left.indexOf(each)).filter(({ lane }) => lane === each.lane);
      const passed = each.lane === null ? [] : before;
      const after = register.step(state, each);
      if (each.call > firstReturn || after === null) return false;
      if (passed.some((other) => other.return !== Number.POSITIVE_INFINITY)) return false;
      const rest = left.filter((other) => other !== each && !passed.includes(other));
      return isPossible(rest, after);
    });
  };
  return isPossible(acts, 0);
}

const drafts = fc.array(
  fc.record({
    kind: fc.constantFrom(
      "write",
      "write",
      "change",
      "clear",
      "clearOwn",
      "read",
      "read",
      "refused",
    ),
    call: fc.nat(12),
    forLong: fc.nat(8),
    isIndefinite: fc.boolean(),
    lane: fc.nat(2),
    state: fc.nat(4),
  }),
  { minLength: 1, maxLength: 8 },
);

const acts = drafts.map((all) => {
  let states = 0;
  const sorted = all.toSorted((a, b) => a.call - b.call);
  return sorted.map(({ kind, call, forLong, isIndefinite, lane, state }): RegisterAct => {
    const isRead = kind === "read";
    const returned =
      isIndefinite && !isRead && kind !== "refused" ? Infinity : call + forLong + 0.5;
    const isMaking = kind === "write" || kind === "change";
    if (isMaking) states += 1;
    return act({
      ...{ kind, call, return: returned, lane: isRead ? null : lane, state },
      makes: isMaking ? states : null,
      awaits: isRead && state > 0 ? state : null,
    });
  });
});

describe("the search for an order", () => {
  test("comes to what trying every order comes to", () => {
    const counts = { yes: 0, no: 0 };
    fc.assert(
      fc.property(acts, (all) => {
        const { outcome } = search(all, register, STEPS_MAX);
        expect(outcome).toBe(naive(all) ? "yes" : "no");
        counts[outcome as "yes" | "no"] += 1;
      }),
      { numRuns: 3_000 },
    );
    expect(Math.min(counts.yes, counts.no)).toBeGreaterThan(300);
  });

  test("names the act that no order gets past, and what there was instead", () => {
    const written = act({ kind: "write", call: 1, return: 2, lane: 0, makes: 1 });
    const cleared = act({ kind: "clear", call: 3, return: 4, lane: 0 });
    const good = act({ kind: "read", call: 5, return: 6 });
    const bad = act({ kind: "read", call: 7, return: 8, state: 1, awaits: 1 });
    const result = search([written, cleared, good, bad], register, STEPS_MAX);
    // What a later read shows cannot be cleared.
    expect(result).toMatchObject({ outcome: "no", stuck: cleared, states: [1] });
    const never = { ...bad, state: 2, awaits: 2 };
    const other = search([written, cleared, good, never], register, STEPS_MAX);
    expect(other).toMatchObject({ outcome: "no", stuck: never, states: [0] });
  });

  test("is near linear where few acts overlap, with a thousand that nobody knows the end of", () => {
    const all: RegisterAct[] = [];
    for (let i = 0; i < 20_000; i += 1) {
      const call = 10 * i;
      const state = i + 1;
      const lost = i % 20 === 0 ? Infinity : call + 15;
      all.push(act({ kind: "write", call, return: lost, lane: i % 300, makes: state }));
      const isSeen = lost !== Infinity;
      const seen = isSeen ? { state, awaits: state } : { state: i, awaits: i === 0 ? null : i };
      all.push(act({ kind: "read", call: call + 16, return: call + 18, ...seen }));
    }
    const { outcome, steps } = search(all, register, STEPS_MAX);
    expect(outcome).toBe("yes");
    expect(steps).toBeLessThan(6 * all.length);
  });

  test("gives up after as many steps as it may take, and says so", () => {
    const all = Array.from({ length: 14 }, (_, i) =>
      act({ kind: "write", call: i, return: 100 + i, lane: i, makes: i + 1 }),
    );
    const never = act({ kind: "read", call: 101, return: 150, state: 99, awaits: 99 });
    const { outcome, steps } = search([...all, never], register, 10_000);
    expect(outcome).toBe("unknown");
    expect(steps).toBeLessThan(20_000);
  });
});
