import type { ConfChange } from "../../src/raft/conf-change.ts";

export type CutShape = "halves" | "oneWay" | "edge" | "bridge" | "ring";

export type CoreRest = "down" | "deaf" | "mute" | "isolated" | "stalling";

/** A fault as data, so that a run can be told, repeated and made smaller. Nodes by their ids. */
export type FaultKind =
  /** Of the process; a power cut takes with it what was not synced. */
  | {
      readonly type: "crash";
      readonly node: string;
      readonly forMs: number;
      readonly isPowerCut: boolean;
    }
  /** As a crash; it comes back without its log, where all others have theirs. */
  | {
      readonly type: "aside";
      readonly node: string;
      readonly forMs: number;
      readonly isPowerCut: boolean;
    }
  /** `edges` as `from>to`: nothing that is sent that way arrives. */
  | {
      readonly type: "cut";
      readonly shape: CutShape;
      readonly edges: readonly string[];
      readonly forMs: number;
    }
  /** A process that stands still, or a machine of which the clock stands still, too. */
  | {
      readonly type: "pause";
      readonly node: string;
      readonly forMs: number;
      readonly isClockStopped: boolean;
    }
  | { readonly type: "hang"; readonly node: string; readonly forMs: number }
  /** It has little room, or none for entries. */
  | {
      readonly type: "fill";
      readonly node: string;
      readonly state: "low" | "full";
      readonly forMs: number;
    }
  | { readonly type: "link"; readonly from: string; readonly to: string }
  | { readonly type: "storm" }
  | { readonly type: "transfer"; readonly asked: string; readonly to: string | null }
  | {
      readonly type: "clientKill" | "clientVanish" | "clientPause";
      readonly client: string;
      readonly forMs: number;
    }
  | { readonly type: "clientCut"; readonly client: string }
  | { readonly type: "watcherCut" | "watcherMove"; readonly watcher: string }
  /** A learner is wanted: a new machine, up `afterMs` later, or one that is there. */
  | (Asked & { readonly type: "add"; readonly node: string; readonly afterMs: number })
  | (Asked & { readonly type: "change"; readonly change: ChangeOfMembers })
  /** The machine of one that was removed is switched off for good. */
  | { readonly type: "retire"; readonly node: string };

/** `asked`: once; null: whoever leads, until it is taken or `forMs` is over. */
export interface Asked {
  readonly asked: string | null;
  readonly forMs: number;
}

/** Of those that are members already. */
export type ChangeOfMembers = Exclude<ConfChange, { readonly type: "addLearner" }>;

/** `atMs`: after everything else of this moment. */
export type Fault = FaultKind & { readonly atMs: number };

/** What stays broken while the other nodes, a majority, have to go on. */
export type Core = readonly { readonly node: string; readonly how: CoreRest }[];

/** Where the faults of a run come from. */
export interface FaultSource {
  /** When the next ones are due; null where none are left. */
  readonly nextMs: number | null;
  /** Those that are due at `nowMs`. */
  take(nowMs: number): readonly Fault[];
}

/** A list that was recorded, or made smaller. */
export class ListedFaults implements FaultSource {
  readonly #faults: readonly Fault[];
  #next = 0;

  constructor(faults: readonly Fault[]) {
    this.#faults = faults;
  }

  get nextMs(): number | null {
    return this.#faults[this.#next]?.atMs ?? null;
  }

  take(nowMs: number): readonly Fault[] {
    const from = this.#next;
    while ((this.nextMs ?? Number.POSITIVE_INFINITY) <= nowMs) {
      this.#next += 1;
    }
    return this.#faults.slice(from, this.#next);
  }
}
