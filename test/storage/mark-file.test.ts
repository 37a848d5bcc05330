import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { MARK_SYNC_MS } from "../../src/limits.ts";
import { LOG_START, type LogPosition } from "../../src/storage/layout.ts";
import { MarkFile } from "../../src/storage/mark-file.ts";
import { encodeMark } from "../../src/storage/mark-record.ts";
import { type Marked, MarkSlots } from "../../src/storage/mark-slots.ts";
import { temporaryDirectory } from "./fixture.ts";
import { HandTimers } from "./hand-timers.ts";

const OWN = "0123456789abcdef";
const BLOCK = 4096;

function at(index: number): LogPosition {
  return { index, term: 1, chain: index.toString(16).padStart(16, "0") };
}

function marked(index: number): Marked {
  return { position: at(index), votes: 0 };
}

async function newMark(): Promise<{ path: string; mark: MarkFile; timers: HandTimers }> {
  const path = join(await temporaryDirectory(), "mark");
  await MarkFile.create(path, OWN);
  const timers = new HandTimers();
  const mark = await MarkFile.open(path, OWN, timers, (error) => {
    throw error;
  });
  return { path, mark, timers };
}

async function markIn(path: string): Promise<number | undefined> {
  return (await MarkFile.read(path, OWN))?.position.index;
}

async function slots(path: string): Promise<[string, string]> {
  const content = await readFile(path, "utf8");
  return [content.slice(0, BLOCK).trim(), content.slice(BLOCK).trim()];
}

describe("the mark", () => {
  it("is at the start of the log when the directory is made", async () => {
    const { path, mark } = await newMark();
    expect((await MarkFile.read(path, OWN))?.position).toEqual(LOG_START);
    await mark.close();
  });

  it("is where it was raised to last, once closed", async () => {
    const { path, mark } = await newMark();
    for (let index = 1; index <= 50; index += 1) mark.raise(marked(index));
    await mark.close();
    expect((await MarkFile.read(path, OWN))?.position).toEqual(at(50));
  });

  it("is written and synced a bounded time after it was raised, once for all that came", async () => {
    const { path, mark, timers } = await newMark();
    mark.raise(marked(1));
    mark.raise(marked(2));
    await mark.settled();
    expect(timers.armed.map(({ delayMs }) => delayMs)).toEqual([MARK_SYNC_MS]);
    timers.fire();
    await mark.settled();
    expect(await markIn(path)).toBe(2);
    expect(timers.armed).toEqual([]);
    await mark.close();
  });

  it("that was raised and then lowered stays lowered when its time comes", async () => {
    const { path, mark, timers } = await newMark();
    mark.raise(marked(9));
    await mark.set(marked(4));
    timers.fire();
    await mark.settled();
    expect(await markIn(path)).toBe(4);
    await mark.close();
  });

  it("leaves the slot alone that was synced last", async () => {
    const { path, mark, timers } = await newMark();
    await mark.set(marked(10));
    for (let index = 11; index <= 20; index += 1) {
      const synced = (await slots(path)).find((slot) => slot.includes(`"index":${index - 1},`));
      expect(synced).toBeDefined();
      mark.raise(marked(index));
      timers.fire();
      await mark.settled();
      expect(await slots(path)).toContain(synced);
    }
    await mark.close();
  });

  // Killed while it wrote one slot, a node starts, and the power goes while it writes the other one:
  // both would be torn.
  it("is synced as a start has read it, before the other slot is written", () => {
    const [older, newer] = [1, 2].map((write) =>
      encodeMark({ ...marked(write), write, incarnation: OWN }),
    );
    const slots = MarkSlots.read(older!, newer!, OWN)!;
    const stepsOf = (index: number): string[] =>
      [...slots.set(marked(index))].map((each) =>
        each.type === "write" ? `write ${each.block}` : each.type,
      );
    expect(stepsOf(3)).toEqual(["sync", "write 0", "sync"]);
    expect(stepsOf(4)).toEqual(["write 1", "sync"]);
  });

  it("is the older one when the later slot is torn, and none when both are", async () => {
    const { path, mark } = await newMark();
    await mark.set(marked(10));
    await mark.set(marked(20));
    await mark.close();
    const content = await readFile(path);
    const later = (await slots(path)).findIndex((slot) => slot.includes('"index":20,'));
    content.fill(0x55, later * BLOCK + 20, later * BLOCK + 40);
    await writeFile(path, content);
    expect(await markIn(path)).toBe(10);
    await writeFile(path, content.subarray(0, BLOCK - 1));
    await writeFile(path, content.fill(0));
    expect(await markIn(path)).toBeUndefined();
    await writeFile(path, "");
    expect(await markIn(path)).toBeUndefined();
  });

  it("of another directory is not believed", async () => {
    const { path, mark } = await newMark();
    await mark.close();
    expect(await MarkFile.read(path, "f".repeat(16))).toBeNull();
  });

  it("stays lowered when a start follows, although the other slot still holds a higher one", async () => {
    const { path, mark } = await newMark();
    await mark.set(marked(10));
    await mark.set(marked(3));
    await mark.close();
    expect(await markIn(path)).toBe(3);
  });
});
