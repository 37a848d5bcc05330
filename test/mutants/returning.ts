import type { Mutant } from "./mutant.ts";

const tests = "test/raft";

/** A member that comes back without its log. */
export const returning: readonly Mutant[] = [
  {
    name: "vote-forgets-the-lost-log",
    imitates: "a disk replaced under a voter: elected without what it had helped to commit",
    file: "src/raft/returning.ts",
    find: "(lostEnd === null || isBehind(lostEnd, lastIndex, lastTerm))",
    replace: "(lostEnd === null || lastIndex >= 0)",
    tests,
  },
  {
    name: "campaigns-without-its-log",
    imitates: "an emptied member leads, and what it had helped to commit is overwritten",
    file: "src/raft/election.ts",
    find: "    state.install === null &&\n    state.lostEnd === null &&\n",
    replace: "    state.install === null &&\n",
    tests,
  },
  {
    name: "back-before-it-is-refilled",
    imitates: "a member counts as whole with the first entry that it is sent",
    file: "src/raft/returning.ts",
    find: "return lostEnd === null || (term !== undefined && isBehind(lostEnd, log.durableIndex, term));",
    replace: "return lostEnd === null || (term !== undefined && log.durableIndex > 0);",
    tests,
  },
  {
    name: "lost-log-not-noticed-by-its-leader",
    imitates: "a follower whose log was wiped is never sent it again",
    file: "src/raft/replication.ts",
    find: "if (message.lostIndex > 0) progress.lost(prevLogIndex, message.lostIndex);",
    replace: "",
    tests,
  },
  {
    name: "lost-log-shorter-than-vouched-for-ignored",
    imitates:
      "of two lost logs the longer one was the less up to date, and the leader waits for it",
    file: "src/raft/progress.ts",
    find: "    this.#lostIndex = lostIndex;\n    if (this.#state",
    replace:
      "    if (this.#matchIndex > lostIndex) return;\n    this.#lostIndex = lostIndex;\n    if (this.#state",
    tests,
  },
  {
    name: "back-before-a-majority-agrees",
    imitates: "a member that is as wrong as before leads",
    file: "src/replica/comparison.ts",
    find: "if (agreedIndex < end - (end % this.#entries)) {",
    replace: "if (agreedIndex < 0 * end) {",
    tests: "test/replica",
  },
  {
    name: "second-loss-forgets-the-first",
    imitates:
      "a member that is set aside while it is refilled votes as if it had been empty before",
    file: "src/storage/recovery.ts",
    find: "return isCovered ? { index, term } : before;",
    replace: "return isCovered ? { index, term } : { index, term };",
    tests: "test/storage",
  },
];
