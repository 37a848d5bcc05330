import type { EndReason } from "./command.ts";
import type { Instance } from "./instance.ts";

/** One instance before and after a command; null where it is absent. At least one is there. */
export interface Change {
  readonly revision: number;
  readonly before: Instance | null;
  readonly after: Instance | null;
}

export type SessionEvent =
  | { readonly type: "opened"; readonly session: string }
  | {
      readonly type: "ended";
      readonly session: string;
      readonly reason: EndReason;
      readonly revision: number;
    }
  /** What it owned is gone; only a tombstone is left. */
  | { readonly type: "reaped"; readonly session: string };
