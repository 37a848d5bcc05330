import { describe, expect, test } from "vitest";
import { confOf } from "../../src/raft/conf-state.ts";
import type { SnapshotWrite } from "../../src/raft/types.ts";
import { Registry } from "../../src/registry/registry.ts";
import { SNAPSHOT_LIMITS, SnapshotTaker } from "../../src/replica/snapshot-taker.ts";
import { snapshotCodec } from "../../src/wire/snapshot-codec.ts";
import { Log, spec } from "../registry/commands.ts";

const conf = confOf([{ id: "n1", name: "n1", address: "" }]);

/** Takes snapshots of one session with twenty instances, in chunks of one item each. */
class Table {
  readonly registry = new Registry();
  /** On its way to the disk, in order. */
  readonly writes: SnapshotWrite[] = [];
  isWritable = true;
  #nonces = 0;
  readonly taker = new SnapshotTaker(
    {
      registry: this.registry,
      codec: snapshotCodec,
      limits: { ...SNAPSHOT_LIMITS, chunkBytes: 1 },
      random: () => ++this.#nonces,
      write: (write) => {
        if (this.isWritable) this.writes.push(write);
        return this.isWritable;
      },
      agreedIndex: () => 1_000,
    },
    0,
  );

  constructor() {
    const log = new Log(this.registry);
    log.open("s1");
    log.register("s1", ...Array.from({ length: 20 }, (_, at) => spec(`h:${at}`)));
  }

  begin(index: number): void {
    this.taker.begin({ index, term: 1, conf });
  }

  /** Until `switch` is on its way. */
  writeChunks(): SnapshotWrite {
    for (;;) {
      const last = this.writes.at(-1);
      if (last === undefined) throw new Error("nothing is written");
      if (last.type === "switch") return last;
      this.taker.written(last);
    }
  }
}

// n3's disk is slow, and a write of its snapshot at 64 is out when n1 sends it another one, so n3
// gives its own up. Before the write completes, n2 leads and sends n3 the entries instead, of which
// it takes its next snapshot at 128.
describe("a snapshot that is begun while a write of one before it is out", () => {
  test("goes on when its own chunk is on disk, not when that of the other is", () => {
    const table = new Table();
    table.begin(64);
    table.taker.abandon();
    table.begin(128);
    const [former, own] = table.writes;
    if (former === undefined || own === undefined) throw new Error("two chunks are written");
    expect(table.taker.written(former)).toBeNull();
    expect(table.writes).toHaveLength(2);
    table.taker.written(own);
    expect(table.writes.slice(2)).toMatchObject([{ type: "stage", id: { index: 128 }, first: 1 }]);
  });

  test("is done when its own switch is on disk, not when that of the other is", () => {
    const table = new Table();
    table.begin(64);
    const former = table.writeChunks();
    table.taker.abandon();
    table.begin(128);
    expect(table.taker.written(former)).toBeNull();
    expect(table.taker.isTaking).toBe(true);
    expect(table.taker.written(table.writeChunks())).toMatchObject({ index: 128 });
    expect(table.taker.isTaking).toBe(false);
  });
});

test("a snapshot of which nothing more can be written is given up, and another one can be begun", () => {
  const table = new Table();
  table.begin(64);
  const [first] = table.writes;
  if (first === undefined) throw new Error("a chunk is written");
  table.isWritable = false;
  table.taker.written(first);
  expect(table.taker.isTaking).toBe(false);
  table.isWritable = true;
  table.begin(128);
  expect(table.taker.written(table.writeChunks())).toMatchObject({ index: 128 });
});
