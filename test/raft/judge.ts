import { isDeepStrictEqual } from "node:util";
import type { RaftMessage } from "../../src/raft/messages.ts";
import { isSameId } from "../../src/raft/snapshot.ts";
import type {
  ConfState,
  Entry,
  LogIndex,
  MemberId,
  ReadState,
  SnapshotId,
  Term,
} from "../../src/raft/types.ts";
import { confCodec } from "../../src/wire/conf-codec.ts";
import type { Member } from "./cluster.ts";
import { entryOn, lastIndexOn } from "./disk.ts";
import { allOverlap, isQuorum } from "./naive-quorums.ts";
import { hashOf } from "./state-machine.ts";

interface Committed {
  readonly entry: Entry;
  readonly hash: number;
  /** Of the leader that committed it. */
  readonly inTerm: Term;
}

interface Watched {
  /** The log as last seen, from index 1, and the hash of each prefix; what is cut off as committed. */
  readonly log: Entry[];
  readonly hashes: number[];
  term: Term;
  commitIndex: LogIndex;
  appliedIndex: LogIndex;
  snapshotIndex: LogIndex;
  /** In force when last seen, and the end of the log that it was in force in. */
  conf: ConfState | null;
  confEnd: Entry | undefined;
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
    const from = { commitIndex: 0, appliedIndex: 0, snapshotIndex: 0 };
    const conf = { conf: null, confEnd: undefined };
    this.#watched.set(member.id, { log: [], hashes: [], term: 0, ...from, ...conf });
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
    this.#cutOff(member, watched);
    this.#logMatching(member, watched);
    this.#goesBy(member, watched);
    this.#commits(member, watched);
    this.#applies(member, watched);
    if (raft.role === "leader") this.#leads(member, watched);
  }

  #watchedOf(member: Member): Watched {
    const watched = this.#watched.get(member.id);
    return watched ?? fail(`${member.id} is not watched`);
  }

  /** A log is cut off, or starts again, only behind what is committed; what was before is known. */
  #cutOff(member: Member, watched: Watched): void {
    const { start } = member.up.log;
    const snapshotIndex = member.up.snapshot?.index ?? 0;
    if (start.index > snapshotIndex) fail(`${member.id} starts at ${start.index}, no snapshot`);
    if (snapshotIndex < watched.snapshotIndex) fail(`${member.id} went back to a snapshot`);
    if (start.index === 0) return;
    const last = this.committed[start.index - 1] ?? fail(`${member.id} cuts off ${start.index}`);
    if (last.entry.term !== start.term) fail(`${member.id} starts at another ${start.index}`);
    if (watched.hashes[start.index - 1] === last.hash) return;
    watched.log.length = watched.hashes.length = 0;
    for (const { entry, hash } of this.committed.slice(0, start.index)) {
      watched.log.push(entry);
      watched.hashes.push(hash);
    }
  }

  /** Log Matching: who ends in the same (index, term) is the same up to there. */
  #logMatching(member: Member, watched: Watched): void {
    const { log } = member.up;
    const { lastIndex } = log;
    const first = log.start.index;
    let same = Math.min(watched.log.length, lastIndex);
    if (same === watched.log.length && same === lastIndex) {
      if (same === first || watched.log[same - 1] === log.entryAt(same)) return;
    }
    while (same > first && watched.log[same - 1] !== log.entryAt(same)) same--;
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
  }

  /**
   * The configuration in force is the last of everything up to the end of the log, be it in the log
   * or in what was cut off it. A snapshot holds the one as of its index, no earlier and no later.
   */
  #goesBy(member: Member, watched: Watched): void {
    const { conf, snapshot } = member.up;
    const end = watched.log.at(-1);
    if (conf !== watched.conf || end !== watched.confEnd) {
      if (!isSameConf(this.#confOf(watched.log).conf, conf)) {
        fail(`${member.id} goes by another configuration than the last one up to ${end?.index}`);
      }
      watched.conf = conf;
      watched.confEnd = end;
    }
    if (snapshot === null || snapshot.index === watched.snapshotIndex) return;
    const { index } = snapshot;
    watched.snapshotIndex = index;
    if (!isSameConf(this.#confOf(watched.log.slice(0, index)).conf, snapshot.conf)) {
      fail(`${member.id} has a snapshot with another configuration than that as of ${index}`);
    }
    if (!isSameConf(member.up.confAt(index), snapshot.conf)) {
      fail(`${member.id} knows of another configuration as of ${index} than its snapshot`);
    }
  }

  /** Configurations that were in force somewhere, and then cut off. */
  get confsLost(): number {
    return this.#confs.filter((conf) => this.committed[conf.index - 1]?.entry !== conf).length;
  }

  /** Of a log from index 1 on, by a plain scan: the last configuration in it, or that of the birth. */
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
  }

  /** One history: whoever has applied up to an index has the same state, by entries or by a snapshot. */
  #applies(member: Member, watched: Watched): void {
    const { index, hash } = member.state;
    if (index < watched.appliedIndex) fail(`${member.id} applies ${index} again`);
    watched.appliedIndex = index;
    if (index === 0) return;
    const expected = this.committed[index - 1] ?? fail(`${member.id} applies ${index} too early`);
    if (expected.hash !== hash) fail(`${member.id} has another state at ${index}`);
  }

  /**
   * It is first seen where it was committed: by the leader, whose configuration decides. Who lost
   * its log after it had vouched for the entry goes on to vote as if it had it.
   */
  #isOnQuorum(entry: Entry, conf: ConfState): void {
    const holders = this.#members
      .filter(
        ({ disk }) =>
          isSame(entryOn(disk, entry.index), entry) ||
          disk.lost?.entries.some((lost) => isSame(lost, entry)) === true,
      )
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
      if (peer.disk.logStart.index >= matchIndex && this.committed.length >= matchIndex) continue;
      const own = raft.log.entryAt(matchIndex) ?? this.committed[matchIndex - 1]?.entry;
      if ((peer.disk.lost?.cutIndex ?? 0) >= matchIndex) continue;
      const lost = peer.disk.lost?.entries ?? [];
      if (
        !isSame(entryOn(peer.disk, matchIndex), own) &&
        !lost.some((entry) => isSame(entry, own))
      ) {
        fail(`${raft.id} believes that ${id} holds ${matchIndex}`);
      }
    }
  }

  /** Of everything that leaves a node: it vouches only for what its disk holds (Figure 2). */
  left(member: Member, message: RaftMessage): void {
    if (message.type === "preVote" || message.type === "preVoteResponse") return;
    const { hardState } = member.disk;
    const name = `${message.type} of ${message.from} in term ${message.term}`;
    if (hardState.term < message.term) fail(`${name} before the term is durable`);
    if (message.type === "requestVote") this.#votes(member, message.term, member.id);
    if (message.type === "requestVoteResponse" && message.granted) {
      this.#votes(member, message.term, message.to);
    }
    if (message.type === "appendEntriesResponse" && message.success) {
      if (lastIndexOn(member.disk) < message.matchIndex) fail(`${name} is not durable`);
    }
    if (message.type === "installSnapshotResponse") {
      const { staged, current, former } = member.disk;
      const all = [current, ...former].find((one) => isSnapshot(one?.snapshot, message.id));
      const part = isSnapshot(staged?.id, message.id) ? staged : all;
      if (message.next > (part?.chunks.length ?? 0)) fail(`${name} is not durable`);
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

function isSameConf(one: ConfState, other: ConfState): boolean {
  return isDeepStrictEqual(one, other);
}

function isSnapshot(one: SnapshotId | undefined, id: SnapshotId): boolean {
  return one !== undefined && isSameId(one, id);
}

function fail(message: string): never {
  throw new Error(message);
}
