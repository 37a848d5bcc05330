import { EXIT } from "../errors.ts";
import type { Divergence } from "../replica/checkpoints.ts";
import { NodeError } from "./node-error.ts";

/** A node whose state is not that of the majority. */
export function divergenceError({ index, own, agreed }: Divergence): NodeError {
  return new NodeError(
    EXIT.divergence,
    `the state of this node has diverged: at log index ${index} its digest is ${own}, that of a majority is ${agreed}`,
    "The others go on without this node. Its memory may be faulty, or another build of Rollcall may run on it: keep its data directory, which is not used again.",
  );
}
