import { describe, expect, type TestContext, test } from "vitest";
import { commitSeed } from "../tooling/commit-seed.ts";
import { brokenNode, eachWithCampaign, type Fault, faultOf, total } from "./campaign.ts";
import { entriesUnsynced, noMark } from "./unsynced.ts";

const CUTS = 12;
const MS_MAX = 240_000;

const each = eachWithCampaign("power-cuts", MS_MAX);

/** What the table counts of promises that were broken. */
const KEPT = {
  lost: 0,
  "refused, but there": 0,
  "terms with two leaders": 0,
  "votes taken back": 0,
  "refused starts": 0,
  "ended by itself": 0,
  diverged: 0,
  stuck: 0,
};

test("a campaign of no cuts is refused: it would find nothing", async () => {
  for (const wrong of [["--cuts", "x"], ["--cuts", "0"], ["--only", "nobody"], ["--often"]]) {
    const { code, output } = await each.campaign.start(wrong).ran;
    expect([code, output]).toEqual([
      2,
      expect.stringContaining("npm run power-cuts -- [--cuts N]"),
    ]);
  }
});

test(
  "power cuts lose nothing acknowledged, and no vote is taken back",
  async (context) => {
    const seed = String(commitSeed());
    const ran = await each.campaign.run(context, ["--cuts", String(CUTS), "--seed", seed]);
    console.info(ran.output);
    const counted = total(ran);
    expect(counted, ran.output).toMatchObject(KEPT);
    // A run in which nothing happened shows nothing.
    expect(counted["cuts"]).toBeGreaterThanOrEqual(CUTS);
    expect(counted["acknowledged"]).toBeGreaterThan(CUTS);
    expect(counted["elections"]).toBeGreaterThan(7);
    expect(ran.code).toBe(0);
  },
  MS_MAX,
);

const votesUnsynced = [faultOf("storage", "vote-copies.js", 'yield { type: "sync", file };', "")];

describe("the same, with a node that is broken", () => {
  // More than one cut: before each, the kernel may have written just what the node has not synced.
  async function broken(
    context: TestContext,
    faults: readonly Fault[],
  ): Promise<Record<string, number>> {
    const bin = await brokenNode(each.directory, faults);
    const ran = await each.campaign.run(context, ["--cuts", "8", "--only", "single", "--bin", bin]);
    expect(ran.code, ran.output).toBe(1);
    return total(ran);
  }

  test(
    "that does not sync entries, and has no mark, loses what it has acknowledged",
    async (context) => {
      const { lost } = await broken(context, [...entriesUnsynced, ...noMark]);
      expect(lost).toBeGreaterThan(0);
    },
    MS_MAX,
  );

  test(
    "that does not sync entries refuses to start with a log that ends before its mark",
    async (context) => {
      const counted = await broken(context, entriesUnsynced);
      // What it has written since the mark it loses, where nothing from before is missing.
      expect((counted["refused starts"] ?? 0) + (counted["lost"] ?? 0)).toBeGreaterThan(0);
    },
    MS_MAX,
  );

  test(
    "that does not sync votes has taken one back",
    async (context) => {
      const counted = await broken(context, votesUnsynced);
      expect(counted).toMatchObject({ ...KEPT, "votes taken back": 1 });
    },
    MS_MAX,
  );
});

test(
  "killed in the middle of it, the command leaves no process, mount or loop device",
  async (context) => {
    await each.campaign.leavesNothing(context, ["--cuts", "100", "--only", "all"]);
  },
  MS_MAX,
);
