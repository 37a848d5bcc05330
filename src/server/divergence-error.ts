import { EXIT } from "../errors.ts";
import type { Divergence } from "../replica/checkpoints.ts";
import { NodeError } from "./node-error.ts";

/** A node whose state is not that of the majority. */
export function divergenceError({ index, own, agreed }: Divergence): NodeError {
  return new NodeError(
    EXIT.divergence,
    `the state of this node has diverged: at log index ${index} its digest is ${own}, that of a majority is ${agreed}`,
    "The others go on without this node. Started again, it takes their state in place of its own, which it keeps aside in its data directory. See first whether the memory of this machine is sound and whether all nodes run the same Rollcall.",
  );
}
