import { REMOVALS_PER_COMMAND_MAX, TOMBSTONES_MAX, UNANSWERED_PER_SESSION_MAX } from "../limits.ts";
import { Digest, type Totals } from "./digest.ts";
import { Freezer } from "./freeze.ts";
import { Instances } from "./instances.ts";
import { Sessions } from "./sessions.ts";
import { Tombstones } from "./tombstones.ts";

/** The state version of an empty registry; what `apply` does depends on it and on nothing else. */
const STATE_VERSION_FIRST = 1;

/** Part of the state machine: every member has the same. Tests make them small. */
export interface RegistryLimits {
  /** Default `REMOVALS_PER_COMMAND_MAX`. */
  readonly removalsPerCommandMax: number;
  /** Default `TOMBSTONES_MAX`. */
  readonly tombstonesMax: number;
  /** Default `UNANSWERED_PER_SESSION_MAX`. */
  readonly unansweredPerSessionMax: number;
}

const LIMITS: RegistryLimits = {
  removalsPerCommandMax: REMOVALS_PER_COMMAND_MAX,
  tombstonesMax: TOMBSTONES_MAX,
  unansweredPerSessionMax: UNANSWERED_PER_SESSION_MAX,
};

/** All that the state machine holds. `Registry` changes it command by command. */
export class RegistryState {
  readonly limits: RegistryLimits;
  readonly digest = new Digest();
  readonly freezer = new Freezer();
  readonly sessions: Sessions;
  readonly tombstones: Tombstones;
  readonly instances: Instances;
  revision = 0;
  stateVersion = STATE_VERSION_FIRST;
  /** The greatest `atMs` so far: the time of a command, even when a leader's clock went back. */
  clockMs = 0;

  constructor(limits: Partial<RegistryLimits> = {}) {
    this.limits = { ...LIMITS, ...limits };
    const { tombstonesMax, unansweredPerSessionMax } = this.limits;
    this.sessions = new Sessions(unansweredPerSessionMax, this.digest, this.freezer);
    this.tombstones = new Tombstones(tombstonesMax, this.digest);
    this.instances = new Instances(this.sessions, this.digest, this.freezer);
  }

  totals(): Totals {
    return {
      revision: this.revision,
      stateVersion: this.stateVersion,
      clockMs: this.clockMs,
      opened: this.sessions.opened,
      evicted: this.tombstones.evicted,
    };
  }
}
