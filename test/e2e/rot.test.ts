import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { commitSeed } from "../tooling/commit-seed.ts";
import { brokenNode, eachWithCampaign, type Fault, faultOf, type Ran } from "./campaign.ts";

const CORRUPTIONS = 208;
const MS_MAX = 240_000;

const each = eachWithCampaign("rot", MS_MAX);

function rot(args: readonly string[]): Promise<Ran> {
  return each.campaign.start(args).ran;
}

const storage = (file: string, find: string, replace: string): Fault => {
  return faultOf("storage", file, find, replace);
};

/** The row of the first table that counts all kinds, by the heads of its columns. */
function total({ output }: Ran): Record<string, number> {
  const [table = ""] = output.slice(output.indexOf("| corruption")).split("\n\n");
  const rows = table.split("\n").map((line) => line.split("|").map((cell) => cell.trim()));
  const [heads = [], last = []] = [rows[0], rows.at(-1)];
  return Object.fromEntries(heads.map((head, i) => [head, Number(last[i])]).slice(2, -1));
}

test("a campaign of no corruptions is refused: it would find nothing", async () => {
  for (const wrong of [["--corruptions", "0"], ["--only", "nothing"], ["--often"]]) {
    const { code, output } = await rot(wrong);
    expect([code, output]).toEqual([
      2,
      expect.stringContaining("npm run rot -- [--corruptions N]"),
    ]);
  }
});

test(
  "a directory that has rotted is intact, made whole, or refused with what is damaged",
  async () => {
    const ran = await rot(["--corruptions", String(CORRUPTIONS), "--seed", String(commitSeed())]);
    console.info(ran.output);
    const counted = total(ran);
    expect(counted, ran.output).toMatchObject({ times: CORRUPTIONS, silent: 0, crashed: 0 });
    // A run in which nothing was hit, or nothing healed, shows nothing.
    expect(counted["intact"]).toBeGreaterThan(20);
    expect(counted["repaired"]).toBeGreaterThan(10);
    expect(counted["refused"]).toBeGreaterThan(10);
    expect(ran.code).toBe(0);
  },
  MS_MAX,
);

// LevelDB's files are not looked at before it opens them.
const filesUnread = [storage("database.js", "if (bad.length === 0)", "if (true)")];

describe("the same, with a start that is broken", () => {
  async function broken(kinds: string, faults: readonly Fault[]): Promise<Record<string, number>> {
    await brokenNode(each.directory, faults);
    const opener = join(each.directory, "dist", "jepsen-lite", "rot", "opener", "main.js");
    const ran = await rot(["--corruptions", "120", "--only", kinds, "--opener", opener]);
    expect(ran.code, ran.output).toBe(1);
    return total(ran);
  }

  test(
    "that skips the checksums of entries, and of LevelDB's files, has other ones than it had",
    async () => {
      const counted = await broken("flip", [
        ...filesUnread,
        storage("layout.js", " || value.readUInt32BE(0) !== headChecksum(key, value)", ""),
        storage("layout.js", "if (chain !== chainOf(value))", "if (false)"),
      ]);
      expect(counted["silent"]).toBeGreaterThan(0);
    },
    MS_MAX,
  );

  test(
    "that lets LevelDB open whatever is there loses its process",
    async () => {
      const counted = await broken("double", filesUnread);
      expect(counted["crashed"]).toBeGreaterThan(0);
    },
    MS_MAX,
  );

  test(
    "that does not look at the mark has lost its end",
    async () => {
      const counted = await broken("truncate,zero-tail,missing", [
        storage("recovery.js", "if (mark.index > last.index)", "if (false)"),
      ]);
      expect(counted["silent"]).toBeGreaterThan(0);
    },
    MS_MAX,
  );

  test(
    "that repairs a log only as far as it still reaches has lost its end",
    async () => {
      const counted = await broken("truncate,zero-tail,missing", [
        storage(
          "log-repair.js",
          "const floor = [mark, snapshot ?? start].reduce(",
          "const floor = [snapshot ?? start].reduce(",
        ),
      ]);
      expect(counted["silent"]).toBeGreaterThan(0);
    },
    MS_MAX,
  );

  test(
    "that takes the older copy of a vote, and holds it against neither log nor mark, has forgotten one",
    async () => {
      const counted = await broken("older-file", [
        storage(
          "vote-record.js",
          "return a.term > b.term ? a : b;",
          "return a.term < b.term ? a : b;",
        ),
        storage("recovery.js", "if (last.term > hardState.term)", "if (false)"),
        storage("vote-copies.js", "return mark !== null && writes < mark.votes;", "return false;"),
      ]);
      expect(counted["silent"]).toBeGreaterThan(0);
    },
    MS_MAX,
  );
});
