import { rm } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import {
  behindAll,
  expected,
  type Found,
  MADE,
  UNMADE,
} from "../../jepsen-lite/crash-points/expected.ts";
import { judge } from "../../jepsen-lite/crash-points/judge.ts";
import { pointsOfCalls, textOf } from "../../jepsen-lite/crash-points/points.ts";
import { type Action, Script } from "../../jepsen-lite/crash-points/script.ts";
import { Session } from "../../jepsen-lite/crash-points/session.ts";
import { toldBy } from "../../jepsen-lite/crash-points/told.ts";
import { syscallsIn } from "../../jepsen-lite/faults/strace.ts";
import { Prng } from "../../jepsen-lite/prng.ts";
import { temporaryDirectory } from "../storage/fixture.ts";

const SEED = 7;

function scripted(write: (script: Script) => void): readonly Action[] {
  const script = new Script(new Prng(SEED));
  write(script);
  return script.actions;
}

describe("what a killed process has said", () => {
  test("ends with its last whole line", () => {
    const lines = ["opening", "before sync db", "after sync db", "opened", "begin 0", "done 0"];
    lines.push("begin 1", "before write vote-a", "after wri");
    expect(toldBy(lines.join("\n"))).toEqual({
      ...{ isOpened: true, isClosed: false, done: 1, isUnderway: true },
      steps: [
        { side: "before", step: "sync db" },
        { side: "after", step: "sync db" },
        { side: "before", step: "write vote-a" },
      ],
      opening: [
        { side: "before", step: "sync db" },
        { side: "after", step: "sync db" },
      ],
      current: [{ side: "before", step: "write vote-a" }],
    });
  });

  test("leaves two possibilities within a step, and one before and behind it", () => {
    const [bear, term, append] = scripted((script) => script.also("bear").term().append(2));
    const act = [bear!, { type: "persist", part: { ...partOf(append!), ...hardStateOf(term!) } }];
    const said = (...steps: string[]): readonly Found[] => {
      const lines = ["opened", "begin 0", "done 0", "begin 1", ...steps];
      return expected(MADE, act as Action[], toldBy(`${lines.join("\n")}\n`));
    };
    const before = behindAll(act.slice(0, 1) as Action[], MADE);
    const whole = behindAll(act as Action[], MADE);
    const { hardState } = whole.state;
    const voted = { ...before, state: { ...before.state, hardState } };
    const vote = ["before write vote-a", "after write vote-a"];
    const batch = ["before batch put e", "after batch put e"];
    expect(said()).toEqual([before]);
    expect(said(...vote.slice(0, 1))).toEqual([before, voted]);
    expect(said(...vote)).toEqual([voted]);
    expect(said(...vote, ...batch.slice(0, 1))).toEqual([voted, whole]);
    expect(said(...vote, ...batch)).toEqual([whole]);
    expect(said(...vote, "after batch del e")).toEqual([voted]);
    expect(said(...vote, ...batch, "done 1")).toEqual([whole]);
  });

  test("makes a directory with the renaming of its identity", () => {
    const said = (...lines: string[]) => expected(UNMADE, [], toldBy(`${lines.join("\n")}\n`));
    expect(said("before make identity.tmp")).toEqual([UNMADE]);
    expect(said("before rename identity")).toEqual([UNMADE, MADE]);
    expect(said("before rename identity", "after rename identity")).toEqual([MADE]);
  });
});

function partOf(action: Action) {
  if (action.type !== "persist") throw new Error(`${action.type} is no write`);
  return action.part;
}

const hardStateOf = (action: Action) => ({ hardState: partOf(action).hardState });

test("calls are counted as strace does: for each thread, call and class of files", () => {
  const trace = `
11 openat(AT_FDCWD</>, "/d/vote-a", O_RDWR|O_CLOEXEC) = 17</d/vote-a>
11 write(1<pipe:[5]>, "opened\\n", 7) = 7
12 fdatasync(17</d/vote-a> <unfinished ...>
11 write(20</d/db/000005.log>, "\\1/d/mark\\0", 9) = 9
12 <... fdatasync resumed>) = 0
11 fdatasync(17</d/vote-a>) = 0
12 fdatasync(18</d/vote-b>) = 0
11 rename("/d/identity.tmp", "/d/identity") = 0
11 write(21</d/db/LOG>, "message", 7) = 7
11 write(22</elsewhere/db/000005.log>, "other", 5) = 5
11 write(23</d/db.1/000007.ldb>, "table", 5) = 5
`;
  expect(pointsOfCalls(syscallsIn(trace), "/d").map(textOf)).toEqual([
    "openat of files, number 1",
    "fdatasync of files, number 1",
    "write of log, number 1",
    "fdatasync of files, number 2",
    "rename of files, number 1",
    "write of tables, number 1",
  ]);
});

describe("the judge of a directory", () => {
  const setup = scripted((script) => script.also("bear").term().vote().append(6, 3).take(1));

  /** Judges what all but the last `forgotten` actions have made as if all had been carried out. */
  async function judged(actions: readonly Action[], forgotten: number): Promise<unknown> {
    const path = join(await temporaryDirectory(), "n1");
    const session = new Session(path, SEED, async () => {});
    await session.open();
    const kept = actions.slice(0, actions.length - forgotten);
    for (const action of kept) await session.run(action);
    await session.close();
    const found = behindAll(actions, MADE);
    return judge(path, SEED, [found], found).then(
      () => null,
      (error: unknown) => error,
    );
  }

  test("takes what is there", async () => {
    expect(await judged(setup, 0)).toBeNull();
  });

  test("finds a snapshot, an entry, a vote and a birth lost", async () => {
    const parts = [
      [setup, 1, "lost"],
      [setup.slice(0, 4), 1, "lost"],
      [setup.slice(0, 3), 1, "twoVotes"],
      [setup.slice(0, 1), 1, "lost"],
    ] as const;
    for (const [actions, forgotten, kind] of parts) {
      expect(await judged(actions, forgotten)).toMatchObject({ kind });
    }
  });

  test("finds what was never written", async () => {
    const path = join(await temporaryDirectory(), "n1");
    const session = new Session(path, SEED, async () => {});
    await session.open();
    for (const action of setup) await session.run(action);
    await session.close();
    const found = behindAll(setup.slice(0, 3), MADE);
    await expect(judge(path, SEED, [found], found)).rejects.toMatchObject({ kind: "strange" });
  });

  test("finds a directory that is called damaged", async () => {
    const path = join(await temporaryDirectory(), "n1");
    const session = new Session(path, SEED, async () => {});
    await session.open();
    for (const action of setup) await session.run(action);
    await session.close();
    await rm(join(path, "mark"));
    const found = behindAll(setup, MADE);
    await expect(judge(path, SEED, [found], found)).rejects.toMatchObject({ kind: "refused" });
  });
});
