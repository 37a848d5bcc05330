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
    name: "read-vote-not-synced",
    imitates: "a copy that only the page cache holds, and a power cut while the other is written",
    file: "src/storage/vote-copies.ts",
    find: '    yield { type: "sync", file: this.#kept };\n',
    replace: "",
    tests,
  },
  {
    name: "vote-behind-the-batch",
    imitates: "§5.1: entries of a term that a crash forgets",
    file: "src/storage/persist-plan.ts",
    find: "  return steps;\n",
    replace: "  return hardState === null ? steps : [...steps.slice(1), ...steps.slice(0, 1)];\n",
    tests,
  },
  {
    name: "truncated-before-the-mark-is-lowered",
    imitates: "a crash between the two: an intact disk reads as damaged",
    file: "src/storage/persist-plan.ts",
    find: 'if (operations.length > 0) steps.push({ type: "batch", operations });',
    replace:
      "if (operations.length > 0)" +
      ' steps.splice(hardState === null ? 0 : 1, 0, { type: "batch", operations });',
    tests,
  },
  {
    name: "mark-raised-before-the-batch",
    imitates: "a mark that claims what a power cut takes away: an intact disk reads as damaged",
    file: "src/storage/persist-plan.ts",
    find: 'steps.push({ type: isMarkSynced ? "mark" : "raiseMark", position: marked });',
    replace:
      'steps.splice(-1, 0, { type: isMarkSynced ? "mark" : "raiseMark", position: marked });',
    tests,
  },
  {
    name: "votes-from-before-the-mark",
    imitates: "both copies of the vote are older than what was on disk once, and it is given again",
    file: "src/storage/vote-copies.ts",
    find: "return mark !== null && writes < mark.votes;",
    replace: "return mark !== null && writes < 0;",
    tests,
  },
  {
    name: "start-vouches-for-the-page-cache",
    imitates: "what a process wrote that was killed is read back, vouched for, and lost",
    file: "src/storage/persist-plan.ts",
    find: '      { type: "batch", operations: [formatOperation(incarnation)] },\n',
    replace: "",
    tests,
  },
  {
    name: "start-marks-the-page-cache",
    imitates: "a mark over what only the page cache holds: an intact disk reads as damaged",
    file: "src/storage/persist-plan.ts",
    find:
      '      { type: "batch", operations: [formatOperation(incarnation)] },\n' +
      '      { type: "mark", position: this.last },\n',
    replace:
      '      { type: "mark", position: this.last },\n' +
      '      { type: "batch", operations: [formatOperation(incarnation)] },\n',
    tests,
  },
  {
    name: "mark-torn-in-both-slots",
    imitates: "two power cuts: a slot is written while the other one is not yet synced",
    file: "src/storage/mark-slots.ts",
    find: '    if (!this.#isReadSynced) yield { type: "sync", file };\n',
    replace: "",
    tests,
  },
  {
    name: "own-end-taken-for-committed",
    imitates: "a commit index that no majority knows of is believed at a start",
    file: "src/storage/recovery.ts",
    find: "this.#commitIndex = Math.max(this.#commitIndex, decoded.commitIndex);",
    replace: "this.#commitIndex = Math.max(this.#commitIndex, decoded.position.index);",
    tests,
  },
  {
    name: "start-sweeps-the-current-snapshot",
    imitates: "chunks to which the pointer still points are taken for leftovers",
    file: "src/storage/boot.ts",
    find: "const kept = isCurrent ? pointer.snapshot.chunks : first.chunk;",
    replace: "const kept = first.chunk;",
    tests,
  },
  {
    name: "staged-again-and-swept",
    imitates: "a snapshot that is sent once more is deleted behind it",
    file: "src/storage/snapshot-plan.ts",
    find: "this.#staged = { id, next: 0, bytes: 0, end: this.#sweep.spare(id) };",
    replace: "this.#staged = { id, next: 0, bytes: 0, end: 0 };",
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
