import type { Connection } from "./connections.ts";
import type { RequestId } from "./inputs.ts";

export interface Write {
  readonly session: string;
  /** `openSession` is number 0. */
  readonly seq: number;
  /** Of an opening: whose it is. Null for every other command. */
  readonly secretHash: string | null;
  readonly connection: Connection;
  readonly request: RequestId;
  readonly floor: number;
  readonly bytes: Uint8Array;
  /** Of an opening: the same with what this node has applied by now. Null for every other command. */
  readonly encodeAgain: (() => Uint8Array) | null;
  readonly deadlineMs: number;
}

/** A command of a client of this node, from its arrival to its answer. */
export interface PendingWrite extends Write {
  bytes: Uint8Array;
  encodeAgain: (() => Uint8Array) | null;
  /** Some leader was given it, so it may happen whatever we hear later. */
  wasHanded: boolean;
  /** Copies handed out by this node that have not come out of the log; lost ones count for ever. */
  copies: number;
  isQueued: boolean;
}

/**
 * Of a write its number, of an opening its secret: who opens a session with another secret neither
 * is answered by its opening nor takes the place of that.
 */
export type Slot = number | string;

export function slotOf({ secretHash, seq }: Write): Slot {
  return secretHash ?? seq;
}

/** The secret is not compared yet: nothing of it leaves this node but the `openSession` itself. */
export function isHeld({ connection, seq }: Write): boolean {
  return seq !== 0 && connection.session?.isVerified !== true;
}

export function isOrphan({ connection, session }: Write): boolean {
  return connection.session?.id !== session;
}
