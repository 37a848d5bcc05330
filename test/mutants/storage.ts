import type { Mutant } from "./mutant.ts";

const tests = "test/storage";
const notSimulated = "its database is memory";

/** In which order what reaches the disk, and what is read back. */
export const storage: readonly Mutant[] = [
  {
    name: "mark-not-lowered",
    imitates: "a mark past the end of a truncated log: an intact disk reads as damaged",
    file: "src/storage/persist-plan.ts",
    find: "if (this.last.index < lastBefore) draft.lowerMark = this.last;",
    replace: "",
    tests,
  },
  {
    name: "tail-not-deleted",
    imitates: "yugabyte 23453: a truncated tail comes back after a crash",
    file: "src/storage/persist-plan.ts",
    find: "deleteEntries(last.index + 1, lastBefore, draft.operations);",
    replace: "",
    tests,
  },
  {
    name: "tail-under-a-snapshot-not-deleted",
    imitates: "ZOOKEEPER-4785: a log that goes on behind an installed snapshot",
    file: "src/storage/persist-plan.ts",
    find: "deleteEntries(index + 1, last, draft.operations);",
    replace: "",
    tests,
  },
  {
    name: "older-vote-wins",
    imitates: "ZOOKEEPER-2307: of two copies the older one is believed",
    file: "src/storage/vote-record.ts",
    find: "if (a.term !== b.term) return a.term > b.term ? a : b;",
    replace: "if (a.term !== b.term) return a.term < b.term ? a : b;",
    tests,
  },
  {
    name: "votes-not-synced",
    imitates: "NATS 7567: one power cut and two votes",
    file: "src/storage/vote-copies.ts",
    find: '      yield { type: "sync", file };\n',
    replace: "",
    tests,
  },
  {
    name: "one-copy-of-the-vote",
    imitates: "ZOOKEEPER-2354: a torn write of the only copy",
    file: "src/storage/vote-copies.ts",
    find: "yield* this.#writeEach(VOTE_FILES);",
    replace: "yield* this.#writeEach([VOTE_FILES[0], VOTE_FILES[0]]);",
    tests,
  },
  {
    name: "batches-not-synced",
    imitates: "etcd 14143: a write lost with the page cache",
    file: "src/storage/level-store.ts",
    find: "      { sync: true },\n",
    replace: "      { sync: false },\n",
    tests,
    notSimulated,
  },
];
