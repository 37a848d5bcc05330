import { readdir } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import { CALL_TIMEOUT_MS_DEFAULT } from "../../src/limits.ts";
import type { LogQuestions } from "../../src/server/log-page.ts";
import { LogDamaged } from "../../src/storage/damage.ts";
import { hardState } from "../storage/fixture.ts";
import { damaged, healing, LINEAGE, none, reopened, serve, twin } from "./healing-world.ts";

describe("a member that heals", () => {
  it("has again the log that it had, with term and vote", async () => {
    const peer = await twin();
    const one = await damaged();
    const place = await serve(() => ({ source: peer.source, lineage: LINEAGE, leader: "n2" }));
    const { directory } = one;
    const { healing: heals } = await healing(one, place);
    expect(await heals.run()).toBe(true);
    await directory.close();
    const again = await reopened(directory.path);
    const { loaded } = await again.open();
    expect(loaded.hardState).toEqual(hardState(2, "b"));
    expect(loaded.entries.map(({ index, term }) => [index, term]).at(-1)).toEqual([9, 2]);
    expect(loaded.entries).toHaveLength(9);
    expect(again.returning).toBeNull();
  });

  it("has what a peer does not use any more from the log that it kept, where nobody leads", async () => {
    const peer = await twin();
    const former = await peer.source.readDownFrom(9, 1_000_000);
    const asked: number[] = [];
    const kept = {
      ...none,
      readDownFrom: async () => [],
      readFormerDownFrom: async (to: number) => {
        asked.push(to);
        return former.slice(9 - to);
      },
    };
    let leader: string | null = "n2";
    let onAsked = (): void => {};
    const askedLed = new Promise<void>((resolve) => (onAsked = resolve));
    const one = await damaged();
    const place = await serve(() => {
      onAsked();
      return { source: kept, lineage: LINEAGE, leader };
    });
    const { healing: heals } = await healing(one, place);
    const healed = heals.run();
    await askedLed;
    expect(asked).toEqual([]);
    leader = null;
    expect(await healed).toBe(true);
    expect(asked[0]).toBe(9);
  });

  it("sets its log aside where a leader says so of itself, and goes on to, and only then", async () => {
    let leader: string | null = null;
    let nowMs = 0;
    let onAsked = (): void => {};
    const asked = () => new Promise<void>((resolve) => (onAsked = resolve));
    const place = await serve(() => {
      onAsked();
      return { source: none, lineage: LINEAGE, leader };
    });
    const one = await damaged();
    const { healing: heals, log } = await healing(one, place, { monotonicMs: () => nowMs });
    const run = heals.run();
    for (const other of [null, "n1", "n3"]) {
      leader = other;
      await log.said(other === null ? /without a leader/ : new RegExp(`led by ${other}, lacks`));
      nowMs += 60_000;
      for (let rounds = 0; rounds < 2; rounds += 1) await asked();
    }
    leader = "n2";
    await log.said(/led by n2, lacks entry 9/);
    for (let rounds = 0; rounds < 2; rounds += 1) await asked();
    expect(log.lines.map(({ message }) => message).join()).not.toMatch(/set aside/);
    nowMs += 60_000;
    expect(await run).toBe(true);
    await one.directory.close();
    const again = await reopened(one.directory.path);
    expect(again.returning).toMatchObject({ lostEnd: { index: 9, term: 2 } });
    expect((await again.open()).loaded).toMatchObject({
      hardState: hardState(2, "b"),
      entries: [],
    });
  }, 30_000);

  it("counts from when a leader has said so to when it was asked again, however long answers take", async () => {
    let rounds = 0;
    let nowMs = 0;
    const ask: LogQuestions = {
      entries: async () => {
        rounds += 1;
        if (rounds < 3) nowMs += 60_000;
        return { leader: "n2", values: [] };
      },
      snapshotRecord: async () => null,
      chunks: async () => [],
    };
    const { healing: heals } = await healing(await damaged(), "n2:1", {
      ask,
      monotonicMs: () => nowMs,
    });
    expect(await heals.run()).toBe(true);
    expect(rounds).toBe(3);
  });

  it("refuses where there is nobody to ask", async () => {
    const one = await damaged([]);
    const { healing: heals } = await healing(one, null);
    await expect(heals.run()).rejects.toBe(one.damage);
    expect(one.damage).toMatchObject({
      code: "DAMAGED",
      message: expect.stringMatching(/db is missing/),
    });
  });

  it("takes nothing from another cluster, says so, and can be stopped", async () => {
    const peer = await twin();
    const place = await serve(() => ({ source: peer.source, lineage: "other.1", leader: "n2" }));
    const { healing: heals, log } = await healing(await damaged(), place);
    const run = heals.run();
    await log.said(/no member of this cluster/);
    expect(heals.waitingFor()).toMatch(/0 of 9 entries are whole, entry 9 is asked for/);
    heals.stop();
    expect(await run).toBe(false);
  });
});

describe("a member that is stopped while it heals", () => {
  it("ends while it waits for an answer that does not come", async () => {
    let onAsked = (): void => {};
    const asked = new Promise<void>((resolve) => (onAsked = resolve));
    const silent = {
      ...none,
      readDownFrom: () => {
        onAsked();
        return new Promise<never>(() => {});
      },
    };
    const place = await serve(() => ({ source: silent, lineage: LINEAGE, leader: null }));
    const { healing: heals } = await healing(await damaged(), place);
    const run = heals.run();
    await asked;
    const stoppedMs = performance.now();
    heals.stop();
    expect(await run).toBe(false);
    expect(performance.now() - stoppedMs).toBeLessThan(CALL_TIMEOUT_MS_DEFAULT / 2);
  });

  it("leaves what it had, from which the next start heals anew, when it is cut short in the middle of writing", async () => {
    const peer = await twin();
    const one = await damaged();
    const place = await serve(() => ({ source: peer.source, lineage: LINEAGE, leader: null }));
    const { healing: heals, salvage } = await healing(one, place);
    const { repair } = salvage;
    const entries = repair.entries.bind(repair);
    repair.entries = function* () {
      for (const entry of entries()) {
        if (entry.entry.index === 5) heals.stop();
        yield entry;
      }
    };
    expect(await heals.run()).toBe(false);
    const { path } = one.directory;
    const left = (await readdir(path)).filter((file) => /^(db|mark)/.test(file));
    expect(left.sort()).toEqual(["mark"]);
    await one.directory.close();
    const directory = await reopened(path);
    const damage = await directory.open().catch((error: unknown) => error);
    if (!(damage instanceof LogDamaged)) throw new Error(`not damaged: ${damage}`);
    const next = await healing({ directory, damage }, place);
    expect(await next.healing.run()).toBe(true);
    await directory.close();
    expect((await (await reopened(path)).open()).loaded.entries).toHaveLength(9);
  });
});
