import type { ConfState } from "./types.ts";

/** How a configuration becomes the bytes of an entry of kind `conf`. */
export interface ConfCodec {
  encode(conf: ConfState): Uint8Array;
  /** Of bytes that `encode` made; anything else throws, and the node stops. */
  decode(bytes: Uint8Array): ConfState;
}
