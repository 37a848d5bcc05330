export type KeyValueOperation =
  | { readonly type: "put"; readonly key: Uint8Array; readonly value: Uint8Array }
  | { readonly type: "del"; readonly key: Uint8Array };

export interface KeyRange {
  readonly from: Uint8Array;
  /** Not itself in the range. */
  readonly to: Uint8Array;
}

/** The narrow waist between Rollcall and a database, where tests put failing disks. */
export interface KeyValueStore {
  /** All or nothing; on disk when it resolves. */
  batch(operations: readonly KeyValueOperation[]): Promise<void>;
  /** The value, or null. */
  get(key: Uint8Array): Promise<Uint8Array | null>;
  /** In the order of the keys' bytes. */
  iterate(range: KeyRange): AsyncIterable<readonly [key: Uint8Array, value: Uint8Array]>;
  /** The key at that end of the range, or null when the range is empty. */
  edge(range: KeyRange, end: "first" | "last"): Promise<Uint8Array | null>;
  /**
   * Gives back the room of what was deleted in the range, which a database may otherwise keep for
   * long. Takes its time; everything else goes on meanwhile.
   */
  compact(range: KeyRange): Promise<void>;
  close(): Promise<void>;
}
