import type { RaftMessage } from "../../src/raft/messages.ts";
import type {
  ConfState,
  Entry,
  LogIndex,
  MemberId,
  ReadState,
  Term,
} from "../../src/raft/types.ts";
import { confCodec } from "../../src/wire/conf-codec.ts";
import type { Member } from "./cluster.ts";
import { allOverlap, isQuorum } from "./naive-quorums.ts";

interface Committed {
  readonly entry: Entry;
  readonly hash: number;
  /** Of the leader that committed it. */
  readonly inTerm: Term;
}

interface Watched {
  /** The log as last seen, and the hash of each prefix. */
  readonly log: Entry[];
  readonly hashes: number[];
  term: Term;
  commitIndex: LogIndex;
  appliedCount: number;
}

/** Looks at a cluster after every step and holds it to the properties of Figure 3. */
export class Judge {
  readonly #members: readonly Member[];
  readonly #birth: ConfState;
  readonly #watched = new Map<MemberId, Watched>();
  readonly #leaderOfTerm = new Map<Term, MemberId>();
  readonly #voteOf = new Map<string, MemberId>();
  /** Of every (index, term) ever seen: the hash of the log that ends there. */
  readonly #prefixes = new Map<number, number>();
  readonly committed: Committed[] = [];
  readonly #reads = new Map<number, LogIndex>();
  readonly #confs: Entry[] = [];
  elections = 0;
  readsServed = 0;

  constructor(members: readonly Member[], birth: ConfState) {
    this.#members = members;
    this.#birth = birth;
    for (const member of members) this.started(member);
  }

  started(member: Member): void {
    const term = this.#watched.get(member.id)?.term ?? 0;
    const fresh = { log: [], hashes: [], term: 0, commitIndex: 0, appliedCount: 0 };
    this.#watched.set(member.id, fresh);
    // What was not durable may be forgotten; `left` sees to it that nobody was told.
    if (member.up.term > term) fail(`${member.id} started in a term it never had`);
    this.look(member);
  }

  /** After every step of `member`. */
  look(member: Member): void {
    const raft = member.up;
    const watched = this.#watchedOf(member);
    if (raft.term < watched.term) fail(`${member.id}: term fell to ${raft.term}`);
    watched.term = raft.term;
    this.#logMatching(member, watched);
    this.#commits(member, watched);
    if (raft.role === "leader") this.#leads(member, watched);
  }

  #watchedOf(member: Member): Watched {
    const watched = this.#watched.get(member.id);
    return watched ?? fail(`${member.id} is not watched`);
  }

  /** Log Matching: who ends in the same (index, term) is the same up to there. */
  #logMatching(member: Member, watched: Watched): void {
    const { log } = member.up;
    const { lastIndex } = log;
    let same = Math.min(watched.log.length, lastIndex);
    if (same === watched.log.length && same === lastIndex) {
      if (same === 0 || watched.log[same - 1] === log.entryAt(same)) return;
    }
    while (same > 0 && watched.log[same - 1] !== log.entryAt(same)) same--;
    watched.log.length = watched.hashes.length = same;
    for (let index = same + 1; index <= lastIndex; index++) {
      const entry = log.entryAt(index) ?? fail(`${member.id} has a hole at ${index}`);
      const hash = hashOf(watched.hashes.at(-1) ?? 0, entry);
      const key = index * 2 ** 20 + entry.term;
      const known = this.#prefixes.get(key);
      if (known === undefined) {
        this.#prefixes.set(key, hash);
        if (entry.kind === "conf") this.#succeeds(watched.log, entry, member.up.commitIndex);
      } else if (known !== hash)
        fail(`Log Matching: ${member.id} differs at ${index}@${entry.term}`);
      watched.log.push(entry);
      watched.hashes.push(hash);
    }
    const { conf } = this.#confOf(watched.log);
    if (JSON.stringify(conf) !== JSON.stringify(member.up.conf)) {
      fail(`${member.id} goes by another configuration than the last in its log`);
    }
  }

  /** Configurations that were in force somewhere, and then cut off. */
  get confsLost(): number {
    return this.#confs.filter((conf) => this.committed[conf.index - 1]?.entry !== conf).length;
  }

  /** Of a log, by a plain scan: the last configuration in it, or that of the birth. */
  #confOf(log: readonly Entry[]): { readonly conf: ConfState; readonly index: LogIndex } {
    const entry = log.findLast(({ kind }) => kind === "conf");
    return entry === undefined
      ? { conf: this.#birth, index: 0 }
      : { conf: confCodec.decode(entry.data), index: entry.index };
  }

  /**
   * Seen for the first time, behind `log`: every quorum of it has a member in common with every
   * quorum of the one before, and that one is committed, so that there are never three at a time.
   */
  #succeeds(log: readonly Entry[], entry: Entry, commitIndex: LogIndex): void {
    this.#confs.push(entry);
    const before = this.#confOf(log);
    const name = `the configuration at ${entry.index}@${entry.term}`;
    if (before.index > Math.max(this.committed.length, commitIndex)) {
      fail(`${name} comes before the one at ${before.index} is committed`);
    }
    if (!allOverlap(before.conf, confCodec.decode(entry.data))) {
      fail(`${name} has a quorum without any of the one at ${before.index}`);
    }
  }

  #commits(member: Member, watched: Watched): void {
    const { commitIndex } = member.up;
    if (commitIndex < watched.commitIndex) fail(`${member.id}: commit fell to ${commitIndex}`);
    for (let index = watched.commitIndex + 1; index <= commitIndex; index++) {
      const entry = watched.log[index - 1] ?? fail(`${member.id} commits ${index} without it`);
      const hash = watched.hashes[index - 1] ?? fail("no hash");
      const known = this.committed[index - 1];
      if (known === undefined) {
        this.#isOnQuorum(entry, this.#confOf(watched.log).conf);
        this.committed.push({ entry, hash, inTerm: member.up.term });
      } else if (known.hash !== hash) {
        fail(`State Machine Safety: ${member.id} commits another entry at ${index}`);
      }
    }
    watched.commitIndex = commitIndex;
    for (; watched.appliedCount < member.committed.length; watched.appliedCount++) {
      const entry = member.committed[watched.appliedCount];
      if (entry?.index !== watched.appliedCount + 1 || entry.index > commitIndex) {
        fail(`${member.id} hands out ${entry?.index} after ${watched.appliedCount}`);
      }
    }
  }

  /** It is first seen where it was committed: by the leader, whose configuration decides. */
  #isOnQuorum(entry: Entry, conf: ConfState): void {
    const holders = this.#members
      .filter(({ disk }) => isSame(disk.entries[entry.index - 1], entry))
      .map(({ id }) => id);
    if (!isQuorum(conf, new Set(holders))) {
      fail(`${entry.index}@${entry.term} is committed and only on the disks of ${holders}`);
    }
  }

  /** By durable votes of a quorum of its own configuration. */
  #isElected(member: Member, watched: Watched): void {
    const { id, term } = member.up;
    const { hardState } = member.disk;
    const voters = this.#members.filter(
      (other) => this.#voteOf.get(`${other.id} ${term}`) === id && other !== member,
    );
    const granted = new Set(voters.map((voter) => voter.id));
    if (hardState.term === term && hardState.vote === id) granted.add(id);
    if (!isQuorum(this.#confOf(watched.log).conf, granted)) {
      fail(`${id} leads ${term} by the votes of ${[...granted]}`);
    }
  }

  /** Election Safety and Leader Completeness, when it is first seen to lead; then what it knows. */
  #leads(member: Member, watched: Watched): void {
    const raft = member.up;
    const known = this.#leaderOfTerm.get(raft.term);
    if (known === undefined) {
      this.#leaderOfTerm.set(raft.term, raft.id);
      this.elections++;
      this.#isElected(member, watched);
      let last = this.committed.length;
      while (last > 0 && (this.committed[last - 1]?.inTerm ?? 0) >= raft.term) last--;
      if (last > 0 && watched.hashes[last - 1] !== this.committed[last - 1]?.hash) {
        fail(`Leader Completeness: ${raft.id} leads ${raft.term} without ${last}`);
      }
    } else if (known !== raft.id) {
      fail(`Election Safety: ${known} and ${raft.id} lead in ${raft.term}`);
    }
    for (const { id, matchIndex } of raft.progress()) {
      const peer = this.#members.find((other) => other.id === id);
      if (peer?.raft?.term !== raft.term || matchIndex === 0) continue;
      if (!isSame(peer.disk.entries[matchIndex - 1], raft.log.entryAt(matchIndex))) {
        fail(`${raft.id} believes that ${id} holds ${matchIndex}`);
      }
    }
  }

  /** Of everything that leaves a node: it vouches only for what its disk holds (Figure 2). */
  left(member: Member, message: RaftMessage): void {
    if (message.type === "preVote" || message.type === "preVoteResponse") return;
    const { hardState, entries } = member.disk;
    const name = `${message.type} of ${message.from} in term ${message.term}`;
    if (hardState.term < message.term) fail(`${name} before the term is durable`);
    if (message.type === "requestVote") this.#votes(member, message.term, member.id);
    if (message.type === "requestVoteResponse" && message.granted) {
      this.#votes(member, message.term, message.to);
    }
    if (message.type === "appendEntriesResponse" && message.success) {
      if (entries.length < message.matchIndex) fail(`${name} vouches for what is not durable`);
    }
  }

  #votes(member: Member, term: Term, candidate: MemberId): void {
    const { hardState } = member.disk;
    if (hardState.term === term && hardState.vote !== candidate) {
      fail(`${member.id} votes for ${candidate} in ${term} before that is durable`);
    }
    const key = `${member.id} ${term}`;
    const known = this.#voteOf.get(key);
    if (known !== undefined && known !== candidate) fail(`${member.id} votes twice in ${term}`);
    this.#voteOf.set(key, candidate);
  }

  /** A read that comes now has to see all that anybody knows to be committed. */
  readAsked(counter: number): void {
    this.#reads.set(counter, this.committed.length);
  }

  readServed({ id, index }: ReadState): void {
    const floor = this.#reads.get(id.counter) ?? fail(`read ${id.counter} was never asked`);
    if (index < floor) fail(`read ${id.counter} at ${index}, but ${floor} was committed before it`);
    this.readsServed++;
  }
}

function isSame(one: Entry | undefined, other: Entry | undefined): boolean {
  return one !== undefined && one === other;
}

function hashOf(before: number, { term, kind, data }: Entry): number {
  let hash = Math.imul(before ^ term, 0x01000193) ^ kind.length;
  for (const byte of data) hash = Math.imul(hash ^ byte, 0x01000193);
  return (hash ^ (hash >>> 15)) >>> 0;
}

function fail(message: string): never {
  throw new Error(message);
}
