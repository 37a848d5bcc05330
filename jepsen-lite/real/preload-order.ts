/** What a node of the harness is told beside its command line. */
export interface Told {
  /** The built command that it runs. */
  readonly bin: string;
  /** Read at each SIGUSR2: for how many milliseconds to stand still. */
  readonly stallPath: string;
  /** Null: those of the product. */
  readonly bounds: SnapshotBounds | null;
}

/** When a node takes snapshots, and how much of its log it keeps for others; in bytes. */
export interface SnapshotBounds {
  readonly logBytesMin: number;
  readonly tailBytes: number;
  readonly laggardBytesMax: number;
  readonly chunkBytes: number;
}

/** Of the environment; `Told` as JSON. */
export const HARNESS = "ROLLCALL_JEPSEN_NODE";

/** For `--import`. */
export const PRELOAD = new URL("preload.js", import.meta.url).href;
