import { readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { beforeEach, describe, expect, test } from "vitest";
import type { Clock, Logger, Timers } from "../../src/env/env.ts";
import { nodeRandom } from "../../src/env/node-env.ts";
import { DISK_RESERVE_DELAY_MS, DISK_RESERVE_STEP_BYTES } from "../../src/limits.ts";
import type { DiskState } from "../../src/replica/disk-states.ts";
import { DiskGuard, diskCheck } from "../../src/server/disk-guard.ts";
import type { DiskSettings } from "../../src/server/disk-marks.ts";
import { deferred } from "../../src/util/deferred.ts";
import { temporaryDirectory } from "../storage/fixture.ts";

const MIB = 2 ** 20;
const MARKS = { diskLowBytes: 100 * MIB, diskFullBytes: 50 * MIB };

/** A disk that says what the test says, around a real directory; a clock that only the test moves. */
class Disk {
  readonly dataDir: string;
  freeBytes: number | null = 1_000 * MIB;
  nowMs = 0;
  asked = 0;
  /** Where not null, an answer waits for it. */
  gate: Promise<void> | null = null;
  readonly logged: string[] = [];
  readonly states: DiskState[] = [];
  readonly observed = { snapshotBytes: 0, isSnapshotUnderWay: false };
  cancelled = 0;

  constructor(dataDir: string) {
    this.dataDir = dataDir;
  }

  async guard(settings: Partial<DiskSettings> = {}): Promise<DiskGuard> {
    const log = (_: unknown, text: string): void => void this.logged.push(text);
    const guard = await DiskGuard.open(
      {
        dataDir: this.dataDir,
        ...{ ...MARKS, diskReserveBytes: 2 * MIB, ...settings },
        clock: { monotonicMs: () => this.nowMs, wallMs: () => 0 } satisfies Clock,
        timers: {
          every: () => ({ cancel: () => void this.cancelled++ }),
          after: () => ({ cancel: () => {} }),
          soon: () => {},
        } satisfies Timers,
        random: nodeRandom,
        logger: { info: log, warn: log } as unknown as Logger,
      },
      async () => {
        this.asked += 1;
        await this.gate;
        const { freeBytes } = this;
        return freeBytes === null ? null : { freeBytes, totalBytes: 2_000 * MIB };
      },
    );
    guard.begin({
      status: () => this.observed,
      step: ({ state }) => void this.states.push(state),
    });
    return guard;
  }

  async reserveBytes(): Promise<number> {
    const found = await stat(join(this.dataDir, "reserve")).catch(() => null);
    return found?.size ?? 0;
  }
}

let disk: Disk;

beforeEach(async () => {
  disk = new Disk(await temporaryDirectory());
});

describe("a guard", () => {
  test("tells the state at the beginning and once a change, and the log says it in a line", async () => {
    const guard = await disk.guard();
    for (const free of [1_000, 90, 80, 30, 20, 1_000, 1_000]) {
      disk.freeBytes = free * MIB;
      await guard.look();
    }
    expect(disk.states).toEqual(["ok", "low", "full", "ok"]);
    expect(disk.logged).toEqual([
      expect.stringMatching(/^the disk is low/),
      expect.stringMatching(/^the disk is full/),
      "the disk has room again",
    ]);
    expect(guard.status).toMatchObject({ state: "ok", roomBytes: 998 * MIB });
  });

  test("asks a disk that hangs once, and goes by what it said before", async () => {
    const guard = await disk.guard();
    disk.freeBytes = 0;
    await guard.look();
    const hanging = deferred<void>();
    disk.gate = hanging.promise;
    const before = disk.asked;
    const looks = [guard.look(), guard.look(), guard.look()];
    expect([disk.asked - before, guard.status.state]).toEqual([1, "full"]);
    disk.freeBytes = null;
    hanging.resolve();
    await Promise.all(looks);
    expect(guard.status.state).toBe("full");
  });

  test("that is stopped tells nothing more, and touches nothing once that has resolved", async () => {
    const guard = await disk.guard();
    const hanging = deferred<void>();
    disk.gate = hanging.promise;
    disk.freeBytes = 0;
    void guard.look();
    const stopped = guard.stop();
    hanging.resolve();
    await stopped;
    expect([disk.states, disk.cancelled]).toEqual([["ok"], 1]);
  });

  test("is a check that does not make a node unready, unless the others go on without it", () => {
    const check = (disk: DiskState, isStranded = false) => diskCheck({ disk, isStranded });
    expect(check("ok")).toEqual({ name: "disk", failure: null });
    expect(check("full")).toMatchObject({
      failure: null,
      note: expect.stringContaining("takes no entries"),
    });
    expect(check("full", true).failure).toContain("the others go on");
  });
});

describe("the reserve", () => {
  /** As long as it takes to make it. */
  async function settled(guard: DiskGuard): Promise<void> {
    disk.nowMs += DISK_RESERVE_DELAY_MS;
    for (let look = 0; look < 10; look++) await guard.look();
  }

  test("is made some time after the start, a step a look, of bytes that take their room", async () => {
    const guard = await disk.guard({ diskReserveBytes: 2 * MIB + 5 });
    await guard.look();
    expect(await disk.reserveBytes()).toBe(0);
    disk.nowMs += DISK_RESERVE_DELAY_MS;
    await guard.look();
    expect(await disk.reserveBytes()).toBe(DISK_RESERVE_STEP_BYTES);
    await settled(guard);
    expect([await disk.reserveBytes(), guard.status.reserveBytes]).toEqual([
      ...[2 * MIB + 5, 2 * MIB + 5],
    ]);
    const { blocks } = await stat(join(disk.dataDir, "reserve"));
    expect(blocks * 512).toBeGreaterThanOrEqual(2 * MIB);
    const content = await readFile(join(disk.dataDir, "reserve"));
    expect(gzipSync(content, { level: 1 }).length).toBeGreaterThan(2 * MIB);
  });

  test("grows with the snapshot, and is none where none is wanted", async () => {
    disk.observed.snapshotBytes = 2 * MIB;
    const guard = await disk.guard();
    await settled(guard);
    expect(await disk.reserveBytes()).toBe(4 * MIB);
    const other = new Disk(await temporaryDirectory());
    other.observed.snapshotBytes = 2 * MIB;
    const without = await other.guard({ diskReserveBytes: 0 });
    other.nowMs += DISK_RESERVE_DELAY_MS;
    await without.look();
    expect(await other.reserveBytes()).toBe(0);
  });

  test.each([
    { ...MARKS, diskReserveBytes: 0 },
    { ...MARKS, diskFullBytes: 0, diskReserveBytes: 2 * MIB },
  ])("is given back where none is wanted any more: %o", async (settings) => {
    await (await disk.guard()).stop();
    await writeFile(join(disk.dataDir, "reserve"), Buffer.alloc(2 * MIB));
    disk.freeBytes = 101 * MIB;
    const guard = await disk.guard(settings);
    expect([await disk.reserveBytes(), guard.status]).toEqual([
      ...[0, { state: "ok", roomBytes: 101 * MIB, reserveBytes: 0 }],
    ]);
  });

  test("does not grow while the disk is short of room", async () => {
    const guard = await disk.guard();
    disk.freeBytes = 90 * MIB;
    await settled(guard);
    expect(await disk.reserveBytes()).toBe(0);
  });

  test("stays where the disk fills up, and is given back at the start after that", async () => {
    const guard = await disk.guard();
    await settled(guard);
    disk.freeBytes = 0;
    await guard.look();
    expect(await disk.reserveBytes()).toBe(2 * MIB);
    await guard.stop();
    const next = await disk.guard();
    expect([await disk.reserveBytes(), next.status.state]).toEqual([0, "full"]);
    expect(disk.logged.at(-1)).toMatch(/^the reserve on the disk is given back/);
  });

  test("that is given back does not end the state, and is made again when there is room", async () => {
    await writeFile(join(disk.dataDir, "reserve"), Buffer.alloc(2 * MIB));
    disk.freeBytes = 49 * MIB;
    const guard = await disk.guard();
    // What was given back is free now; were it room, this would be past a quarter above the mark.
    disk.freeBytes = 64 * MIB;
    await guard.look();
    expect(guard.status).toMatchObject({ state: "full", roomBytes: 62 * MIB, reserveBytes: 0 });
    disk.freeBytes = 1_000 * MIB;
    await settled(guard);
    expect(await disk.reserveBytes()).toBe(2 * MIB);
  });

  test("counts for the state from the first word on, though it was given back to an earlier start", async () => {
    disk.observed.snapshotBytes = 20 * MIB;
    // Without what two snapshots take this is less than the mark for full.
    disk.freeBytes = 80 * MIB;
    const guard = await disk.guard();
    await guard.look();
    await guard.look();
    expect(disk.states).toEqual(["full"]);
    expect(guard.status).toMatchObject({ state: "full", roomBytes: 40 * MIB });
  });

  test("stays at a start with room, or where the disk is low", async () => {
    await writeFile(join(disk.dataDir, "reserve"), Buffer.alloc(2 * MIB));
    disk.freeBytes = 90 * MIB;
    await disk.guard();
    expect(await disk.reserveBytes()).toBe(2 * MIB);
  });

  test("is given back to a snapshot that is on its way to a full disk", async () => {
    const guard = await disk.guard();
    await settled(guard);
    disk.observed.isSnapshotUnderWay = true;
    await guard.look();
    expect(await disk.reserveBytes()).toBe(2 * MIB);
    disk.freeBytes = 0;
    await guard.look();
    expect(await disk.reserveBytes()).toBe(0);
  });

  test("whose file cannot be written is told of once", async () => {
    const guard = await disk.guard();
    const nowhere = new Disk(join(disk.dataDir, "gone"));
    const lost = await nowhere.guard();
    nowhere.nowMs += DISK_RESERVE_DELAY_MS;
    for (let look = 0; look < 3; look++) await lost.look();
    expect(nowhere.logged).toEqual(["the reserve on the disk does not grow"]);
    expect(guard.status.reserveBytes).toBe(0);
  });
});
