import type { ReadCall, Selector } from "../history.ts";
import type { DrawnKey } from "../workload.ts";
import type { Endpoint } from "./messages.ts";

/** One write, as its provider wants it. */
export type Wish =
  | { readonly type: "register"; readonly instances: readonly Endpoint[] }
  | { readonly type: "deregister"; readonly keys: readonly DrawnKey[] }
  | { readonly type: "update"; readonly instance: Endpoint; readonly ifRevision: number | null }
  | { readonly type: "bye" };

/** `unknown`: given up, or its session is over; it may have happened. */
export type Outcome =
  | { readonly type: "ok"; readonly revision: number | null }
  | { readonly type: "refused"; readonly code: string }
  | { readonly type: "unknown" };

/** What a list has shown. */
export interface Shown {
  readonly selector: Selector;
  readonly mode: ReadCall["mode"];
  readonly endpoints: readonly Endpoint[];
}

/** What a provider does with its session: it is asked over and over, and told what became of it. */
export interface Work {
  /** Another session: of what the one before has asked for, nothing more is told. */
  begun(session: string): void;
  /** Null where it wants nothing now. */
  next(): Wish | null;
  settled(wish: Wish, outcome: Outcome): void;
  /** What it wants to see; null where it does not matter. */
  readonly looksAt: Selector | null;
  shown(shown: Shown): void;
}
