import { appendFileSync } from "node:fs";
import { SNAPSHOT_LIMITS, type SnapshotLimits } from "../../src/replica/snapshot-taker.ts";
import { Failpoint, type StepMoment } from "./failpoint.ts";
import { instrument } from "./seam.ts";

/** What a node is told that is started with this module (`--import`), as JSON in its environment. */
export interface NodeOrder {
  readonly path: string;
  readonly moment: StepMoment | null;
  /** Where it notes its steps, or null. */
  readonly steps: string | null;
  /** A log of a few hundred writes is long with these. */
  readonly limits: SnapshotLimits;
}

export const NODE_ORDER = "ROLLCALL_CRASH_POINTS_NODE";

const told = process.env[NODE_ORDER];
if (told !== undefined) {
  const { path, moment, steps, limits } = JSON.parse(told) as NodeOrder;
  Object.assign(SNAPSHOT_LIMITS, limits);
  const failpoint = new Failpoint(moment, (side, step) => {
    if (steps !== null) appendFileSync(steps, `${side} ${step}\n`);
  });
  await instrument(path, (step, carryOut) => failpoint.around(step, carryOut));
}
