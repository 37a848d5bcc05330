import type { HardState } from "../raft/types.ts";
import type { Damage } from "./damage.ts";
import type { KeyRange } from "./key-value-store.ts";
import { ENTRY_KEYS, entryKey, indexOfKey, LOG_START, type LogPosition } from "./layout.ts";
import { LogVerifier, type Verdict } from "./recovery.ts";
import {
  CHUNK_KEYS,
  chunkOfKey,
  chunkRange,
  decodePointer,
  isSameSnapshot,
  POINTER_KEY,
  type Pointer,
} from "./snapshot-layout.ts";
import { SnapshotVerifier } from "./snapshot-verifier.ts";
import type { Leftover } from "./sweep.ts";

/** What `boot` wants to know of the database. Answered with a value, a key, or null. */
export type Question =
  | { readonly type: "get"; readonly key: Uint8Array }
  | { readonly type: "edge"; readonly range: KeyRange; readonly end: "first" | "last" }
  /** Every record of the range goes to `take`, in order; the answer is null. */
  | {
      readonly type: "walk";
      readonly range: KeyRange;
      take(key: Uint8Array, value: Uint8Array): void;
    };

export type Boot<Result> = Generator<Question, Result, Uint8Array | null>;

/**
 * Reads and judges a database at a start. It asks and whoever runs it answers, so that a disk in
 * memory answers at once, and LevelDB when it can.
 */
export function* boot(hardState: HardState, mark: LogPosition | null): Boot<Verdict> {
  const sealed = yield { type: "get", key: POINTER_KEY };
  const pointer = sealed === null ? null : decodePointer(sealed);
  if (sealed !== null && pointer === null) return damagedBy({ what: "pointerUnreadable" });
  const damage = pointer === null ? null : yield* verifyChunks(pointer);
  if (damage !== null) return damagedBy(damage);

  const start = pointer?.logStart ?? LOG_START;
  const verifier = new LogVerifier(pointer);
  const log = { from: entryKey(start.index + 1), to: ENTRY_KEYS.to };
  yield { type: "walk", range: log, take: (key, value) => verifier.take(key, value) };
  const leftovers: Leftover[] = [];
  const strange =
    (yield* findEntries({ from: ENTRY_KEYS.from, to: log.from }, leftovers)) ??
    (yield* findChunks(pointer, leftovers));
  return strange === null ? verifier.finish(hardState, mark, leftovers) : damagedBy(strange);
}

function* verifyChunks({ snapshot }: Pointer): Boot<Damage | null> {
  const verifier = new SnapshotVerifier(snapshot);
  const range = chunkRange(snapshot, snapshot.chunks);
  yield { type: "walk", range, take: (key, value) => void verifier.take(key, value) };
  return verifier.finish();
}

/** Entries that a cut or an installed snapshot left. */
function* findEntries(range: KeyRange, leftovers: Leftover[]): Boot<Damage | null> {
  const ends: number[] = [];
  for (const end of ["first", "last"] as const) {
    const key = yield { type: "edge", range, end };
    if (key === null) return null;
    const index = indexOfKey(key);
    if (index === null) return strangeKey(key);
    ends.push(index);
  }
  const [first = 1, last = 0] = ends;
  leftovers.push({ type: "entries", first, last });
  return null;
}

/** Chunks of snapshots that are not the current one, two questions for each of them. */
function* findChunks(pointer: Pointer | null, leftovers: Leftover[]): Boot<Damage | null> {
  let from = CHUNK_KEYS.from;
  for (;;) {
    const firstKey = yield { type: "edge", range: { from, to: CHUNK_KEYS.to }, end: "first" };
    if (firstKey === null) return null;
    const first = chunkOfKey(firstKey);
    if (first === null) return strangeKey(firstKey);
    const range = chunkRange(first.id);
    const lastKey = (yield { type: "edge", range, end: "last" }) ?? firstKey;
    const last = chunkOfKey(lastKey);
    if (last === null) return strangeKey(lastKey);

    const isCurrent = pointer !== null && isSameSnapshot(pointer.snapshot, first.id);
    const kept = isCurrent ? pointer.snapshot.chunks : first.chunk;
    if (kept <= last.chunk) {
      leftovers.push({ type: "chunks", id: first.id, first: kept, last: last.chunk });
    }
    from = range.to;
  }
}

function strangeKey(key: Uint8Array): Damage {
  return { what: "strangeKey", key: Buffer.from(key).toString("hex") };
}

function damagedBy(damage: Damage): Verdict {
  return { type: "damaged", damage, proved: LOG_START };
}
