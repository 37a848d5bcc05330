/** What becomes of the bytes that go one way over an edge. */
export type Weather =
  | { readonly type: "pass" }
  /** Nothing arrives, nor that a connection ended; all of it arrives late, once the weather changes. */
  | { readonly type: "hold" }
  /**
   * What is sent is gone, and so is the end of a connection: for its other end it stays open. One that
   * has lost something is broken off once the weather changes, since TCP would not have gone on.
   */
  | { readonly type: "drop" }
  /** Each piece arrives so much later, give or take, and in order. */
  | {
      readonly type: "slow";
      readonly delayMs: number;
      readonly jitterMs: number;
      /** Null: as many as come. */
      readonly bytesPerSecond: number | null;
    }
  /** Of so many pieces in a thousand one bit is another one. */
  | { readonly type: "corrupt"; readonly perMille: number };

export const FAIR: Weather = { type: "pass" };
