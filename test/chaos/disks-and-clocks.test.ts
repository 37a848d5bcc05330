import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { WallClock } from "../../jepsen-lite/faults/clocks.ts";
import { bytesLost } from "../../jepsen-lite/nemeses/power.ts";
import { temporaryDirectory } from "../storage/fixture.ts";

const content = (files: Readonly<Record<string, string>>): ReadonlyMap<string, Buffer> =>
  new Map(Object.entries(files).map(([path, text]) => [path, Buffer.from(text)]));

describe("what a power cut has lost", () => {
  const before = content({ log: "abcdefgh", "db/CURRENT": "MANIFEST-000002" });

  test("is nothing where all is as it was, or more is there", () => {
    expect(bytesLost(before, before)).toBe(0);
    expect(bytesLost(before, new Map([...before, ["new", Buffer.from("x")]]))).toBe(0);
  });

  test("is what is cut off, what is another byte, and files that are gone", () => {
    expect(bytesLost(before, content({ log: "abXd", "db/CURRENT": "MANIFEST-000002" }))).toBe(5);
    expect(bytesLost(before, content({ log: "abcdefgh" }))).toBe(15);
  });
});

test("a wall clock is told in signed seconds, and is right at first", async () => {
  const path = join(await temporaryDirectory(), "clock");
  const clock = await WallClock.make(path);
  const told = [await readFile(path, "utf8")];
  for (const aheadMs of [3_600_000, -100, 0]) {
    await clock.set(aheadMs);
    told.push(await readFile(path, "utf8"));
  }
  expect(told).toEqual(["+0.000\n", "+3600.000\n", "-0.100\n", "+0.000\n"]);
  expect(clock.under(["node", "x"]).slice(-2)).toEqual(["node", "x"]);
});
