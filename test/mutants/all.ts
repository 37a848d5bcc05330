import { divergence } from "./divergence.ts";
import { elections } from "./elections.ts";
import { membership } from "./membership.ts";
import type { Mutant } from "./mutant.ts";
import { readers } from "./readers.ts";
import { replication } from "./replication.ts";
import { returning } from "./returning.ts";
import { sessions } from "./sessions.ts";
import { storage } from "./storage.ts";

export const mutants: readonly Mutant[] = [
  ...elections,
  ...replication,
  ...membership,
  ...storage,
  ...divergence,
  ...returning,
  ...sessions,
  ...readers,
];

/** Judged in every run of the tests: found within seeds, or the simulator sees nothing any more. */
export const CANARY = "linearizable-served-locally";
