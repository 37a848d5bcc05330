/** The time of an input, read once by the driver. Whole milliseconds. */
export interface Now {
  /** Never goes back; comparable only within one start of a node. */
  readonly monotonicMs: number;
  /** Since the epoch, for people; nothing is decided by it. */
  readonly wallMs: number;
}
