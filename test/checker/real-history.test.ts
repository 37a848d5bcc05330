import { afterAll, describe, expect, test } from "vitest";
import { judge } from "../../jepsen-lite/checker/judge.ts";
import { recorded } from "../../jepsen-lite/checker/recorded.ts";
import { referee } from "../../jepsen-lite/checker/referee.ts";
import { Subject } from "./corruptions.ts";
import { type Kills, killsOf, ofClients, tableOf } from "./kills.ts";
import { kindCorruptions } from "./kind-corruptions.ts";
import { readCorruptions } from "./read-corruptions.ts";
import { realHistory } from "./real-history.ts";

const DRAWN = { seed: 1, places: 2 };
/** No watcher of it was ever sent a RESET: those of the simulator are. */
const NOT_IN_IT = "a RESET is not marked";

const histories = {
  "client-kill": ofClients.filter(
    (each) => each.name !== NOT_IN_IT && !kindCorruptions.includes(each),
  ),
  "every-kind": [...readCorruptions, ...kindCorruptions],
} as const;

describe.each(["client-kill", "every-kind"] as const)("a history of real nodes: %s", (name) => {
  const history = realHistory(name);
  const subject = new Subject(history);
  const table: Kills[] = [];
  afterAll(() => {
    console.log(tableOf(table));
  });

  test("keeps the promises, and no key is left unsaid", () => {
    const { findings, doubts, referee: refereed } = judge(history);
    // No session of the second has ended by a lease.
    const isWithoutLeases = name === "every-kind";
    const idle = isWithoutLeases ? ["leases had nothing to look at"] : [];
    expect({ findings, doubts }).toEqual({ findings: [], doubts: idle });
    expect(refereed.steps).toBeLessThan(2 * refereed.acts);
  });

  test("is accepted by the referee whatever revisions are in it", () => {
    const scrambled = history.map((event, at) =>
      "revision" in event && event.revision !== null
        ? { ...event, revision: (event.revision * 7_919 + at) % 1_000 }
        : event,
    );
    expect(referee(recorded(scrambled)).findings).toEqual([]);
  });

  test.each(histories[name])("is found out when $name", (corruption) => {
    const kills = killsOf(corruption, subject, DRAWN);
    table.push(kills);
    expect(kills).toMatchObject({ missed: [] });
    expect(kills.made).toBeGreaterThan(0);
  });
});
