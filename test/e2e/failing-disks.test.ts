import { describe, expect, type TestContext, test } from "vitest";
import { kinds, names } from "../../jepsen-lite/failing-disks/kinds.ts";
import { Prng } from "../../jepsen-lite/prng.ts";
import { commitSeed } from "../tooling/commit-seed.ts";
import { brokenNode, eachWithCampaign, type Fault, faultOf, total } from "./campaign.ts";

const MS_MAX = 240_000;
const FROZEN_S = "3";

const each = eachWithCampaign("failing-disks", MS_MAX);

/** What the table counts of promises that were broken. */
const KEPT = {
  lost: 0,
  "refused, but there": 0,
  "terms with two leaders": 0,
  "votes taken back": 0,
  expired: 0,
  "acknowledged without a disk": 0,
  silent: 0,
  "synced after a failure": 0,
  "refused starts": 0,
  "ended by itself": 0,
  diverged: 0,
  stuck: 0,
};

test("a campaign of no rounds is refused: it would find nothing", async () => {
  for (const wrong of [
    ["--rounds", "0"],
    ["--frozen", "x"],
    ["--only", "nobody"],
  ]) {
    const { code, output } = await each.campaign.start(wrong).ran;
    expect([code, output]).toEqual([
      2,
      expect.stringContaining("npm run failing-disks -- [--rounds N]"),
    ]);
  }
});

test(
  "disks that fail lose nothing acknowledged, and end no session",
  async (context) => {
    const seed = commitSeed();
    const prng = new Prng(seed);
    // Of each kind, at a disk that this commit draws.
    const chosen = kinds.map(({ name }) => prng.pick(names.get(name) ?? []));
    const args = ["--rounds", "1", "--frozen", FROZEN_S, "--seed", String(seed)];
    const ran = await each.campaign.run(context, [...args, "--only", chosen.join()]);
    console.info(ran.output);
    const counted = total(ran);
    expect(counted, ran.output).toMatchObject(KEPT);
    // A run in which nothing happened shows nothing.
    expect(counted["rounds"]).toBe(kinds.length);
    expect(counted["ends"]).toBeGreaterThanOrEqual(2);
    expect(counted["acknowledged"]).toBeGreaterThan(10 * kinds.length);
    expect(ran.code).toBe(0);
  },
  MS_MAX,
);

// LevelDB itself fails whatever comes after a write that has failed, so there it is passed over.
const goesOn = [
  faultOf("storage", "level-store.js", "await this.#level.put(", "await passed(this.#level.put("),
  faultOf(
    "storage",
    "level-store.js",
    "(only.value), { sync: true })",
    "(only.value), { sync: true }))",
  ),
  faultOf(
    "storage",
    "level-store.js",
    "await this.#level.batch(",
    "await passed(this.#level.batch(",
  ),
  faultOf(
    "storage",
    "level-store.js",
    "(operation.key) }), { sync: true })",
    "(operation.key) }), { sync: true }))",
  ),
  faultOf(
    "storage",
    "level-store.js",
    "class LevelStore {",
    "const passed = (written) => written.catch(() => {});\nclass LevelStore {",
  ),
];
const triesAgain = [
  faultOf(
    "storage",
    "durable-file.js",
    "await handle.datasync()",
    "await handle.datasync().catch(() => handle.datasync())",
  ),
  faultOf("storage", "durable-file.js", "await overwrite(", "await twice("),
  faultOf(
    "storage",
    "durable-file.js",
    "async function overwrite(",
    `const twice = (...args) => overwrite(...args).catch(() => overwrite(...args));
async function overwrite(`,
  ),
];
const acknowledgesFirst = [
  faultOf("storage", "level-store.js", "await this.#level.put(", "void this.#level.put("),
  faultOf("storage", "level-store.js", "await this.#level.batch(", "void this.#level.batch("),
];
const inheritsNoTime = [
  faultOf(
    "replica",
    "leases.js",
    "this.#protect(this.#add(session));",
    "this.#protect(this.#add({ ...session, ttlMs: 300 }));",
  ),
];

describe("the same, with a node that is broken", () => {
  async function broken(
    context: TestContext,
    faults: readonly Fault[],
    only: string,
  ): Promise<Record<string, number>> {
    const bin = await brokenNode(each.directory, faults);
    // Enough for each step to come; it ends with the first violation.
    const args = ["--rounds", "5", "--frozen", "6", "--only", only, "--bin", bin];
    const ran = await each.campaign.run(context, args);
    expect(ran.code, ran.output).toBe(1);
    return total(ran);
  }

  test(
    "that goes on behind a write that has failed is found",
    async (context) => {
      expect(await broken(context, goesOn, "write-error-alone")).toMatchObject({
        ...KEPT,
        "synced after a failure": 1,
      });
    },
    MS_MAX,
  );

  test(
    "that tries a sync again is found, though that seems to have helped",
    async (context) => {
      expect(await broken(context, triesAgain, "write-error-alone")).toMatchObject({
        ...KEPT,
        "synced after a failure": 1,
      });
    },
    MS_MAX,
  );

  test(
    "that acknowledges before it writes does so while every disk stands still",
    async (context) => {
      const counted = await broken(context, acknowledgesFirst, "frozen-all");
      expect(counted["acknowledged without a disk"]).toBeGreaterThan(0);
    },
    MS_MAX,
  );

  test(
    "that gives sessions no time under a new leader ends those that live",
    async (context) => {
      const counted = await broken(context, inheritsNoTime, "read-only-leader");
      expect(counted["expired"]).toBeGreaterThan(0);
    },
    MS_MAX,
  );
});

test(
  "killed while disks are frozen, the command leaves no process, mount or loop device",
  async (context) => {
    // Its first line is that they stand still.
    await each.campaign.leavesNothing(context, ["--only", "frozen-all", "--frozen", "200"]);
  },
  MS_MAX,
);
