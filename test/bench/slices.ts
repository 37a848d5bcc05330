/**
 * `npm run bench:slices`: how long a large state holds up the loop of its node. A state of a million
 * instances, an application of a tenth of them and a session that owns as many, is frozen and made
 * into chunks while it goes on changing, and then made again of the chunks.
 *
 *   npm run bench:slices -- [--instances 1000000]
 *
 * A piece is what happens between two looks at the sockets. Its time is by the clock, without the
 * pauses of the garbage collector; pieces in which the machine gave the processor to somebody else
 * are counted, and left out of all but the last column, which is the clock's word on all.
 */

import { PerformanceObserver } from "node:perf_hooks";
import { setImmediate as nextTurn } from "node:timers/promises";
import { parseArgs } from "node:util";
import type { SnapshotWrite } from "../../src/raft/types.ts";
import { RegistryBuilder } from "../../src/registry/builder.ts";
import type { Command } from "../../src/registry/command.ts";
import type { InstanceSpec } from "../../src/registry/instance.ts";
import { Registry } from "../../src/registry/registry.ts";
import { SNAPSHOT_LIMITS, SnapshotTaker } from "../../src/replica/snapshot-taker.ts";
import { must } from "../../src/util/assert.ts";
import { commandCodec } from "../../src/wire/command-codec.ts";
import { snapshotCodec } from "../../src/wire/snapshot-codec.ts";
import { spec } from "../registry/commands.ts";
import { machineOf } from "./report.ts";
import { percentile } from "./statistics.ts";

const SNAPSHOTS = 5;
const SESSIONS = 1_000;
const PER_COMMAND = 250;
/** Registrations of an entry that is applied between two chunks. */
const PER_ENTRY = 100;
const MB = 1024 * 1024;

interface Piece {
  readonly startMs: number;
  readonly endMs: number;
}

/** Pauses of the garbage collector since the start, as far as they were told. */
class Pauses {
  readonly #pauses: Piece[] = [];
  readonly #observer: PerformanceObserver;

  constructor() {
    this.#observer = new PerformanceObserver((list) => this.#add(list.getEntries()));
    this.#observer.observe({ entryTypes: ["gc"] });
  }

  /** Of the piece, how long it was collected. */
  within({ startMs, endMs }: Piece): number {
    let ms = 0;
    for (const pause of this.#pauses) {
      ms += Math.max(0, Math.min(endMs, pause.endMs) - Math.max(startMs, pause.startMs));
    }
    return ms;
  }

  /** Those that were not told yet are told in one of the next turns. */
  async settled(): Promise<void> {
    await nextTurn();
    this.#add(this.#observer.takeRecords());
  }

  #add(entries: readonly { readonly startTime: number; readonly duration: number }[]): void {
    for (const { startTime, duration } of entries) {
      this.#pauses.push({ startMs: startTime, endMs: startTime + duration });
    }
  }
}

class Stopwatch {
  readonly name: string;
  readonly #pieces: Piece[] = [];
  #disturbed = 0;
  #longestMs = 0;

  constructor(name: string) {
    this.name = name;
  }

  time<T>(work: () => T): T {
    const before = process.resourceUsage().involuntaryContextSwitches;
    const startMs = performance.now();
    const result = work();
    const endMs = performance.now();
    this.#longestMs = Math.max(this.#longestMs, endMs - startMs);
    if (process.resourceUsage().involuntaryContextSwitches === before) {
      this.#pieces.push({ startMs, endMs });
    } else {
      this.#disturbed += 1;
    }
    return result;
  }

  row(pauses: Pauses): string {
    const all = this.#pieces.length + this.#disturbed;
    const own = this.#pieces.map((piece) => piece.endMs - piece.startMs - pauses.within(piece));
    const columns = [percentile(own, 50), percentile(own, 99), Math.max(...own), this.#longestMs];
    const cells = columns.map((ms) => ms.toFixed(2));
    return `| ${this.name} | ${all} | ${this.#disturbed} | ${cells.join(" | ")} |`;
  }
}

const sessionId = (number: number): string => `session-${String(number).padStart(24, "0")}`;

/** The first session owns a tenth, and all of it is of one application. */
class Load {
  readonly #registry: Registry;
  readonly #instances: number;
  readonly #seqs = new Map<number, number>();
  #index = 0;

  constructor(registry: Registry, instances: number) {
    this.#registry = registry;
    this.#instances = instances;
  }

  fill(): void {
    for (let number = 0; number < SESSIONS; number += 1) {
      const session = sessionId(number);
      const times = { ttlMs: 10_000, graceMs: 2_000 };
      const record = { secretHash: "0".repeat(64), appliedIndex: 0, client: "bench" };
      this.apply([{ type: "openSession", session, ...record, ...times }]);
    }
    for (let first = 0; first < this.#instances; first += PER_COMMAND) {
      this.apply([this.registration(first, PER_COMMAND, 0)]);
    }
  }

  /** From `first` on, all of one session. */
  registration(first: number, count: number, round: number): Command {
    const isBig = first < this.#instances / 10;
    const number = isBig ? 0 : 1 + (Math.floor(first / PER_COMMAND) % (SESSIONS - 1));
    const seq = (this.#seqs.get(number) ?? 0) + 1;
    this.#seqs.set(number, seq);
    const application = isBig ? "big" : `app-${Math.floor(first / 1_000)}`;
    const instances = Array.from({ length: count }, (_, i): InstanceSpec => {
      const at = first + i;
      return spec(`10.${at >> 16}.${(at >> 8) & 255}.${at & 255}:8080`, {
        application,
        meta: [
          ["cluster", at % 2 === 0 ? "small" : "large"],
          ["idc", "shanghai"],
          ["round", String(round)],
        ],
      });
    });
    return { type: "register", session: sessionId(number), seq, floor: seq, instances };
  }

  /** As an entry of the log, from its bytes, as on every node. */
  apply(commands: readonly Command[]): void {
    const encoded = commands.map((command) => commandCodec.encode(command));
    const { atMs, commands: decoded } = commandCodec.decodeBatch(
      commandCodec.encodeBatch(1_700_000_000_000, encoded),
    );
    this.#index += 1;
    for (const command of decoded) {
      this.#registry.apply({ index: this.#index, term: 1, atMs }, command);
    }
  }
}

function heapMb(): number {
  globalThis.gc?.();
  return process.memoryUsage().heapUsed / MB;
}

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { instances: { type: "string", default: "1000000" } } });
  const instances = Number(values.instances);
  const pauses = new Pauses();
  const emptyMb = heapMb();
  const registry = new Registry();
  const load = new Load(registry, instances);
  load.fill();
  const perInstance = ((heapMb() - emptyMb) * MB) / registry.instanceCount;

  const writes: SnapshotWrite[] = [];
  const taker = new SnapshotTaker(
    {
      registry,
      codec: snapshotCodec,
      limits: SNAPSHOT_LIMITS,
      random: (bound) => Math.floor(Math.random() * bound),
      write: (write) => writes.push(write) > 0,
      agreedIndex: () => SNAPSHOTS,
    },
    0,
  );
  const [freeze, chunk] = [new Stopwatch("freeze, and the first chunk"), new Stopwatch("a chunk")];
  const change = new Stopwatch(`${PER_ENTRY} registrations meanwhile`);
  const conf = { voters: [], votersOutgoing: [], learners: [], members: [] };
  let chunks: Uint8Array[] = [];
  let round = 0;
  for (let index = 1; index <= SNAPSHOTS; index += 1) {
    chunks = [];
    freeze.time(() => taker.begin({ index, term: 1, conf }));
    for (;;) {
      await nextTurn();
      const write = must(writes.shift(), "each chunk asks for a write");
      if (write.type === "stage") chunks.push(...write.chunks);
      chunk.time(() => taker.written(write));
      if (write.type === "switch") break;
      round += 1;
      const first = PER_COMMAND * ((round * 7_919) % (instances / PER_COMMAND));
      const command = load.registration(first, PER_ENTRY, round);
      change.time(() => load.apply([command]));
    }
  }

  const restore = new Stopwatch("a chunk into the state");
  const builder = new RegistryBuilder();
  for (const bytes of chunks) {
    await nextTurn();
    restore.time(() => {
      for (const item of snapshotCodec.decodeChunk(bytes)) builder.add(item);
    });
  }
  await pauses.settled();
  console.log(`${machineOf(process.cwd())}\n`);
  console.log(
    `${instances.toLocaleString("en")} instances, ${perInstance.toFixed(0)} bytes of heap each\n`,
  );
  console.log("| piece | of them | left out | p50 ms | p99 ms | max ms | longest of all ms |");
  console.log("|---|---|---|---|---|---|---|");
  for (const watch of [freeze, chunk, change, restore]) console.log(watch.row(pauses));
}

await main();
