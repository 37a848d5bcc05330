import { describe, expect, test } from "vitest";
import { check } from "../../jepsen-lite/checker/check.ts";
import { recorded } from "../../jepsen-lite/checker/recorded.ts";
import { referee } from "../../jepsen-lite/checker/referee.ts";
import type { Event } from "../../jepsen-lite/history.ts";
import { follow, planOf } from "../../jepsen-lite/sim/run.ts";
import { corruptions, Subject } from "../checker/corruptions.ts";
import { killsOf, some } from "../checker/kills.ts";
import { readCorruptions } from "../checker/read-corruptions.ts";

/** Tried for every corruption. */
const SEEDS = [1, 2, 3, 4, 5, 6];
/** As far as is gone for one that is made at few places only. */
const SEEDS_MAX = 80;
const PLACES_PER_SEED = 4;
/** Of a corruption, over all seeds. */
const PLACES_MIN = 3;

const histories = new Map<number, readonly Event[]>();

function historyOf(seed: number): readonly Event[] {
  const history = histories.get(seed) ?? follow(planOf(seed)).history;
  histories.set(seed, history);
  return history;
}

const isOfNodes = ({ type }: Event): boolean =>
  ["revision", "ended", "leader", "calm"].includes(type);

/** What is left of it where nodes tell nothing. */
function byClients(history: readonly Event[]): Event[] {
  return history
    .filter((event) => !isOfNodes(event))
    .map((event) => (event.type === "setup" ? { ...event, hasNodeEvents: false } : event));
}

describe("a history of the simulator", () => {
  test.each(SEEDS)("of seed %i keeps the promises, also by what clients saw alone", (seed) => {
    const history = historyOf(seed);
    expect(check(history).findings).toEqual([]);
    expect(check(byClients(history)).findings).toEqual([]);
  });

  test.each(SEEDS)("of seed %i is accepted by the referee, whatever its revisions", (seed) => {
    const scrambled = byClients(historyOf(seed)).map((event, at) =>
      "revision" in event && event.revision !== null ? { ...event, revision: at % 100 } : event,
    );
    const { findings, unknown } = referee(recorded(scrambled));
    expect({ findings, unknown }).toEqual({ findings: [], unknown: [] });
  });

  test.each(readCorruptions)("by clients and by the referee: found when $name", (corruption) => {
    let made = 0;
    for (const seed of SEEDS.slice(0, 3)) {
      const kills = killsOf(corruption, new Subject(byClients(historyOf(seed))), {
        seed,
        places: 2,
      });
      expect(kills).toMatchObject({ missed: [] });
      made += kills.made;
    }
    expect(made).toBeGreaterThanOrEqual(PLACES_MIN);
  });

  for (const view of ["as nodes tell it, too", "by what clients saw alone"]) {
    const isAlone = view !== "as nodes tell it, too";
    const chosen = corruptions.filter((corruption) => !isAlone || corruption.byClients === true);
    test.each(chosen)(`${view}: found when $name`, ({ places, make }) => {
      let made = 0;
      for (let seed = 1; seed <= SEEDS.length || made < PLACES_MIN; seed += 1) {
        expect(seed, `${made} places in the seeds before`).toBeLessThanOrEqual(SEEDS_MAX);
        const history = historyOf(seed);
        const subject = new Subject(isAlone ? byClients(history) : history);
        for (const at of some(places(subject), seed, PLACES_PER_SEED)) {
          const { outcome } = check(make(subject, at));
          expect({ seed, at, outcome }).toEqual({ seed, at, outcome: "broken" });
          made += 1;
        }
      }
    });
  }
});
