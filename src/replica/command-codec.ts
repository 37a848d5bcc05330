import type { Command } from "../registry/command.ts";

/**
 * How commands become the bytes of an entry. Encoded once, at the node that took the request;
 * the leader only joins them. `atMs` is the leader's wall clock when it packed the batch.
 */
export interface CommandCodec {
  encode(command: Command): Uint8Array;
  encodeBatch(atMs: number, commands: readonly Uint8Array[]): Uint8Array;
  /** Of bytes that `encodeBatch` made; anything else throws, and the node stops. */
  decodeBatch(data: Uint8Array): { readonly atMs: number; readonly commands: readonly Command[] };
}
