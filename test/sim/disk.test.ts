import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Prng } from "../../jepsen-lite/prng.ts";
import { SimDisk } from "../../jepsen-lite/sim/disk.ts";
import { Schedule } from "../../jepsen-lite/sim/schedule.ts";
import { SimStorage } from "../../jepsen-lite/sim/sim-storage.ts";
import type { PersistRequest } from "../../src/raft/types.ts";
import type { LoadedLog } from "../../src/storage/storage.ts";
import { type Action, action, SnapshotModel } from "../storage/snapshot-model.ts";

const ACCESS_MS_MAX = 6;
/** Above what any write takes, with a sweep and the mark before it. */
const WRITE_MS_MAX = 200;

interface Step {
  readonly next: Action;
  readonly gapMs: number;
  /** Behind one of the requests of `next`, while it is out or when it is done. */
  readonly crash: {
    readonly at: number;
    readonly afterMs: number;
    readonly isPowerCut: boolean;
    /** The next start is without the log. */
    readonly isAside: boolean;
  } | null;
  /** A node that is without its log has it again. */
  readonly isBack: boolean;
}

const step: fc.Arbitrary<Step> = fc.record({
  next: action,
  gapMs: fc.nat(150),
  crash: fc.option(
    fc.record({
      at: fc.nat(2),
      afterMs: fc.nat(4 * ACCESS_MS_MAX),
      isPowerCut: fc.boolean(),
      isAside: fc.nat(3).map((number) => number === 0),
    }),
    { freq: 2 },
  ),
  isBack: fc.nat(15).map((number) => number === 0),
});

/** A disk and the processes that write to it, without a replica. */
class Machine {
  readonly #prng: Prng;
  readonly #schedule = new Schedule();
  readonly #disk = new SimDisk("n1");
  #storage: SimStorage;
  #life = 0;
  #write = 0;
  starts = 0;

  constructor(seed: number) {
    this.#prng = new Prng(seed);
    this.#storage = this.start().storage;
  }

  start(): { readonly loaded: LoadedLog; readonly storage: SimStorage } {
    const { loaded, log } = this.#disk.start();
    this.#write = 0;
    this.starts += 1;
    this.#storage = new SimStorage(this.#disk, log, {
      later: (delayMs, run) => {
        const life = this.#life;
        this.#schedule.after(delayMs, () => {
          if (this.#life === life) run();
        });
      },
      delayMs: () => this.#prng.between(0, ACCESS_MS_MAX),
      stallMs: () => 0,
    });
    return { loaded, storage: this.#storage };
  }

  /** Returns whether it was reported within the time. */
  persist(parts: Omit<PersistRequest, "write">, withinMs: number): boolean {
    let isReported = false;
    this.#write += 1;
    this.#storage.persist({ ...parts, write: this.#write }, () => {
      isReported = true;
    });
    this.wait(withinMs);
    return isReported;
  }

  wait(forMs: number): void {
    this.#schedule.runUntil(this.#schedule.nowMs + forMs);
  }

  crash(isPowerCut: boolean): void {
    this.#life += 1;
    this.#disk.crash(isPowerCut, this.#prng);
  }

  /** Returns whether there was another one before, that had not come back. */
  setAside(): boolean {
    const { isReturning } = this.#disk;
    this.#disk.setAside();
    return isReturning;
  }

  back(): void {
    if (this.#disk.isReturning) this.#disk.returned();
  }
}

describe("a disk that keeps its word", () => {
  test("gives back at every start what was reported, whatever falls between", () => {
    let starts = 0;
    const asides = { first: 0, again: 0 };
    fc.assert(
      fc.property(fc.nat(), fc.array(step, { minLength: 5, maxLength: 40 }), (seed, steps) => {
        const machine = new Machine(seed);
        let model = new SnapshotModel();
        for (const { next, gapMs, crash, isBack } of steps) {
          machine.wait(gapMs);
          if (isBack) machine.back();
          let before = model.copy();
          let at = 0;
          for (const parts of model.requests(next)) {
            if (crash?.at === at) {
              machine.persist(parts, crash.afterMs);
              machine.crash(crash.isPowerCut);
              if (crash.isAside) {
                asides[machine.setAside() ? "again" : "first"] += 1;
                // As if it had been cut off again and again before it was up.
                machine.crash(crash.isPowerCut);
                model = model.setAside();
                before = model;
              }
              // The disk judges what it finds; here it is only told which of two it was.
              const { loaded } = machine.start();
              if (!isIn(model, loaded)) model = before;
              model.restart(loaded);
              break;
            }
            expect(machine.persist(parts, WRITE_MS_MAX)).toBe(true);
            before = model.copy();
            at += 1;
          }
        }
        starts += machine.starts;
      }),
      { numRuns: 4000 },
    );
    expect(starts).toBeGreaterThan(5000);
    expect(Math.min(asides.first, asides.again), JSON.stringify(asides)).toBeGreaterThan(100);
  }, 240_000);
});

function isIn(model: SnapshotModel, loaded: LoadedLog): boolean {
  return shapeOf(model.expected()) === shapeOf(loaded);
}

/** Every append is a term of its own, and every snapshot has its number. */
function shapeOf({ snapshot, logStart, entries }: ReturnType<SnapshotModel["expected"]>): string {
  const nonce = snapshot?.nonce ?? null;
  return JSON.stringify([nonce, logStart.index, entries.map(({ index, term }) => [index, term])]);
}
