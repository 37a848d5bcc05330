import type { Mutant } from "./mutant.ts";

const tests = "test/replica";

/** States that differ, and what may be made of one that does. */
export const divergence: readonly Mutant[] = [
  {
    name: "snapshot-current-before-agreement",
    imitates: "a wrong state takes the place of the log that would have mended it",
    file: "src/replica/snapshot-taker.ts",
    find: "taking?.isWaiting !== true || this.#parts.agreedIndex() < taking.meta.index",
    replace: "taking?.isWaiting !== true",
    tests,
  },
  {
    name: "checkpoint-told-once",
    imitates: "a snapshot waits for ever where nobody writes and one message was lost",
    file: "src/replica/comparison.ts",
    find: "if (this.#ticksSinceTold >= CHECKPOINT_REPEAT_TICKS) {",
    replace: "if (this.#ticksSinceTold >= Number.MAX_VALUE) {",
    tests,
  },
  {
    name: "snapshot-not-claimed-at-a-start",
    imitates:
      "where nobody writes, who starts with a snapshot waits for a checkpoint that never comes",
    file: "src/replica/comparison.ts",
    find: "      this.applied(snapshot.index);\n    }\n  }\n",
    replace: "    }\n  }\n",
    tests: "test/replica",
  },
];
