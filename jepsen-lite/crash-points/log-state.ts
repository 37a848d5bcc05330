import { createHash } from "node:crypto";
import type { Entry, HardState, LogEnd, PersistRequest, Snapshot } from "../../src/raft/types.ts";

/** What stands in a directory, as plain lists: what a start must find, and nothing of how. */
export interface LogState {
  readonly hardState: HardState;
  readonly logStart: LogEnd;
  readonly entries: readonly Entry[];
  readonly snapshot: Snapshot | null;
  readonly chunks: readonly Uint8Array[];
  /** Highest ever given. */
  readonly commitIndex: number;
  /** Of the snapshot that is being written; a start forgets it. */
  readonly staged: readonly Uint8Array[];
}

export const NOTHING: LogState = {
  hardState: { term: 0, vote: null },
  logStart: { index: 0, term: 0 },
  entries: [],
  snapshot: null,
  chunks: [],
  commitIndex: 0,
  staged: [],
};

export type Part = Omit<PersistRequest, "write">;

/** Only term and vote have reached the disk. */
export function voted(state: LogState, { hardState }: Part): LogState {
  return { ...state, hardState: hardState ?? state.hardState };
}

/** All of it has. */
export function persisted(state: LogState, part: Part): LogState {
  const next = withEntries(voted(state, part), part);
  const { snapshot: write } = part;
  switch (write?.type) {
    case "stage":
      return { ...next, staged: [...(write.first === 0 ? [] : next.staged), ...write.chunks] };
    case "switch": {
      const { snapshot, chain } = write;
      const taken = { ...next, snapshot, chunks: next.staged, staged: [] };
      const { index, term } = snapshot;
      if (chain === null) return taken;
      return { ...taken, entries: [], logStart: { index, term }, commitIndex: index };
    }
    case "cut": {
      const { index } = write;
      const term = next.entries.find((entry) => entry.index === index)?.term ?? next.logStart.term;
      const entries = next.entries.filter((entry) => entry.index > index);
      return { ...next, entries, logStart: { index, term } };
    }
    default:
      return next;
  }
}

/** Log and snapshot are set aside. */
export function setAside({ hardState }: LogState): LogState {
  return { ...NOTHING, hardState };
}

export function endOf({ entries, logStart }: LogState): LogEnd {
  const { index, term } = entries.at(-1) ?? logStart;
  return { index, term };
}

function withEntries(state: LogState, { entries, commitIndex }: Part): LogState {
  const [first] = entries;
  if (first === undefined) return state;
  return {
    ...state,
    entries: [...state.entries.filter(({ index }) => index < first.index), ...entries],
    commitIndex: Math.max(state.commitIndex, commitIndex),
  };
}

/** What `entryText` and `chunkText` say of two that are the same byte for byte, and of no others. */
export function entryText({ index, term, kind, data }: Entry): string {
  return `${index}/${term} ${kind} ${digestOf(data)}`;
}

export function digestOf(data: Uint8Array): string {
  return createHash("sha256").update(data).digest("hex").slice(0, 16);
}
