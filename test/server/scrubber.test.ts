import { expect, test } from "vitest";
import { nodeClock } from "../../src/env/node-env.ts";
import { Scrubber } from "../../src/server/scrubber.ts";
import type { Scrubbed } from "../../src/storage/scrub.ts";
import { Loop } from "./loop.ts";
import { LogBook } from "./world.ts";

const FILES = ["identity", "db/000005.ldb"];

/** Passes over two files; `rotten` are found damaged. */
function scrubbing(rotten: Set<string>) {
  const loop = new Loop();
  const log = new LogBook();
  const told: [bytes: number, damagedFiles: number, isPassComplete: boolean][] = [];
  let passes = 0;
  const directory = {
    async *scrub(): AsyncGenerator<Scrubbed> {
      passes += 1;
      if (rotten.has("the disk")) throw new Error("EIO");
      for (const file of FILES) {
        yield { file, bytes: 10, damage: rotten.has(file) ? "a block is bad" : null };
      }
    },
  };
  const metrics = { scrubbed: (...row: [number, number, boolean]) => void told.push(row) };
  const scrubber = new Scrubber({
    clock: nodeClock,
    timers: loop,
    logger: log,
    directory,
    metrics,
  });
  const on = async (timers: number): Promise<void> => {
    for (let fired = 0; fired < timers; fired += 1) {
      await new Promise((resolve) => setImmediate(resolve));
      loop.fireTimers(3_600_000);
    }
    await new Promise((resolve) => setImmediate(resolve));
  };
  return { scrubber, log, told, on, passes: () => passes };
}

test("a scrub reads a file at a time, rests, and begins anew", async () => {
  const { told, on, passes } = scrubbing(new Set());
  await on(2);
  expect(told).toEqual([
    [10, 0, false],
    [10, 0, false],
    [0, 0, true],
  ]);
  expect(passes()).toBe(1);
  await on(1);
  expect(passes()).toBe(2);
});

test("what has rotted is said once, counted, and forgotten when it is well again", async () => {
  const rotten = new Set(["db/000005.ldb"]);
  const { scrubber, log, told, on } = scrubbing(rotten);
  await on(5);
  expect(scrubber.damagedFiles).toEqual(["db/000005.ldb"]);
  const said = log.lines.filter(({ level }) => level === "error");
  expect(said).toMatchObject([{ message: expect.stringMatching(/000005.ldb .* a block is bad/) }]);
  expect(told.at(-1)?.[1]).toBe(1);
  rotten.clear();
  await on(3);
  expect(scrubber.damagedFiles).toEqual([]);
});

test("a disk that cannot be read ends no scrub for good, and a stop does", async () => {
  const rotten = new Set(["the disk"]);
  const { scrubber, log, on, passes } = scrubbing(rotten);
  await on(1);
  expect(log.lines.map(({ message }) => message)).toEqual([
    ...["the data directory could not be scrubbed", "the data directory could not be scrubbed"],
  ]);
  scrubber.stop();
  await on(3);
  expect(passes()).toBe(2);
});
