import { expect, test } from "vitest";
import { nodeClock, nodeTimers } from "../../src/env/node-env.ts";
import { type DiskRoom, Machine } from "../../src/server/machine.ts";
import { deferred } from "../../src/util/deferred.ts";
import { temporaryDirectory } from "../storage/fixture.ts";

test("a machine says how much room the disk has, and what its clock says", async () => {
  const machine = new Machine(await temporaryDirectory(), nodeClock, nodeTimers);
  const { wallMs, disk } = await machine.status();
  expect(Math.abs(wallMs - Date.now())).toBeLessThan(1_000);
  expect(disk?.freeBytes).toBeGreaterThan(0);
  expect(disk?.totalBytes).toBeGreaterThanOrEqual(disk?.freeBytes ?? 0);
});

test("a directory that is not there has no room to tell of", async () => {
  const { disk } = await new Machine("/nowhere/at/all", nodeClock, nodeTimers).status();
  expect(disk).toBeNull();
});

test("a disk that hangs holds nobody up, is asked once, and is asked again when it has answered", async () => {
  const asked: ReturnType<typeof deferred<DiskRoom | null>>[] = [];
  const machine = new Machine("/data", nodeClock, nodeTimers, () => {
    const question = deferred<DiskRoom | null>();
    asked.push(question);
    return question.promise;
  });
  const hanging = [await machine.status(), await machine.status()];
  expect(hanging.map(({ disk }) => disk)).toEqual([null, null]);
  expect(asked).toHaveLength(1);
  const room = { freeBytes: 1, totalBytes: 2 };
  const waiting = machine.status();
  asked[0]?.resolve(room);
  expect((await waiting).disk).toEqual(room);
  const next = machine.status();
  asked[1]?.resolve(null);
  expect((await next).disk).toBeNull();
});
