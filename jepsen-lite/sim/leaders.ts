import { LEARNER_LAG_ENTRIES_MAX } from "../../src/limits.ts";
import type { ConfState, LogIndex, MemberId, Term } from "../../src/raft/types.ts";
import type { ReplicaStatus } from "../../src/replica/status.ts";
import { isVoter, told } from "./configurations.ts";
import { isQuorum } from "./quorums.ts";
import type { SimNode } from "./sim-node.ts";
import { demand } from "./violation.ts";
import type { World } from "./world.ts";

/** In which a leader that is no voter finds out that it is none, or that nobody follows it. */
const OUT_SECONDS_MAX = 8;
/** That a leader may append between the change and the end of its turn. */
const LAG_SLACK_ENTRIES = 8;

/** An entry that is committed; `inTerm`: at the latest, of those who were first to know. */
export interface CommittedEntry {
  readonly index: LogIndex;
  readonly term: Term;
  readonly inTerm: Term;
}

type Seen = Pick<ReplicaStatus, "role" | "term" | "commitIndex" | "conf">;

/** Who leads, by what right, and how it goes about the members. */
export class Leaders {
  readonly #world: World;
  readonly #byTerm = new Map<Term, MemberId>();
  readonly #votes = new Map<string, MemberId>();
  readonly #durableTerm = new Map<MemberId, Term>();
  /** As of the step before. */
  readonly #seen = new Map<MemberId, Seen>();
  /** In force in the step under way, one after the other. */
  readonly #confs = new Map<MemberId, ConfState[]>();
  /** To whom the leadership is handed over since the step before. */
  readonly #targets = new Map<MemberId, MemberId>();
  /** In a row, in which it led and was none of those who are to vote. */
  #outsiders = 0;
  readonly #outSeconds = new Map<MemberId, number>();

  constructor(world: World) {
    this.#world = world;
  }

  /** How many there were. */
  get count(): number {
    return this.#byTerm.size;
  }

  /** Those of them that were no voters of the configuration that they went by. */
  get outsiders(): number {
    return this.#outsiders;
  }

  of(term: Term): MemberId | null {
    return this.#byTerm.get(term) ?? null;
  }

  /** Election safety: one a term. */
  elected(node: MemberId, term: Term): void {
    const known = this.#byTerm.get(term);
    demand(
      known === undefined || known === node,
      () => `${known} and ${node} are both leaders of term ${term}`,
    );
    if (known === undefined) {
      this.#byTerm.set(term, node);
      this.#world.recorder.record({ type: "leader", node });
    }
  }

  configured(node: MemberId, conf: ConfState): void {
    this.#confs.set(node, [...(this.#confs.get(node) ?? []), conf]);
  }

  handsOver(node: MemberId, to: MemberId): void {
    this.#targets.set(node, to);
  }

  crashed(node: MemberId): void {
    this.#targets.delete(node);
    this.#seen.delete(node);
    this.#confs.delete(node);
  }

  /** A vote is given once a term, and never taken back by a crash. */
  voted(node: SimNode): void {
    const { term, vote } = node.disk.hardState;
    demand(
      term >= (this.#durableTerm.get(node.id) ?? 0),
      () => `${node.id} wrote term ${term} after ${this.#durableTerm.get(node.id)}`,
    );
    this.#durableTerm.set(node.id, term);
    if (vote !== null) {
      const key = `${node.id}/${term}`;
      const before = this.#votes.get(key) ?? vote;
      demand(before === vote, () => `${node.id} voted for ${before} and ${vote} in term ${term}`);
      this.#votes.set(key, vote);
    }
  }

  stepped(node: SimNode, status: ReplicaStatus, committed: readonly CommittedEntry[]): void {
    const { role, term, commitIndex, conf } = status;
    const before = this.#seen.get(node.id);
    const confs = this.#confs.get(node.id) ?? [];
    this.#confs.delete(node.id);
    this.#seen.set(node.id, { role, term, commitIndex, conf });
    this.#handsOverToVoter(node.id, [before?.conf ?? conf, ...confs, conf]);
    if (role !== "leader") {
      return;
    }
    if (before?.role !== "leader" || before.term !== term) {
      this.#isRightful(node, status, before?.commitIndex ?? commitIndex, committed);
      return;
    }
    let last = before.conf;
    for (const next of confs) {
      this.#goesOn(node, status, last, next, committed);
      last = next;
    }
  }

  /** Called once a simulated second. */
  second(): void {
    for (const node of this.#world.standing) {
      const isLeader = node.status()?.role === "leader" && !node.isPaused;
      const isOut = isLeader && !isVoter(this.#world.configurations.latest, node.id);
      const seconds = isOut ? (this.#outSeconds.get(node.id) ?? 0) + 1 : 0;
      this.#outSeconds.set(node.id, seconds);
      demand(seconds <= OUT_SECONDS_MAX, () => `${node.id} was removed, and leads on`);
    }
  }

  /**
   * Elected by votes that are durable, of each half; a voter itself, of the configuration in force or
   * of one that may be for all that it knew, `commitIndex` being what it knew (dissertation 4.2.2),
   * or a learner that was a voter to somebody else; and with all in its log that was committed in
   * lower terms (leader completeness).
   */
  #isRightful(
    node: SimNode,
    { term, conf, lastIndex }: ReplicaStatus,
    commitIndex: LogIndex,
    committed: readonly CommittedEntry[],
  ): void {
    const { id, disk } = node;
    const { configurations } = this.#world;
    const possible = [conf, ...configurations.since(commitIndex)];
    if (!isVoter(conf, id)) this.#outsiders += 1;
    const isCountedOn = conf.learners.includes(id) && configurations.wasVoter(id);
    demand(
      isCountedOn || possible.some((one) => isVoter(one, id)),
      () => `${id} leads term ${term}, and votes in none of ${possible.map(told).join(" ")}`,
    );
    demand(
      isQuorum(conf, (voter) => this.#votes.get(`${voter}/${term}`) === id),
      () => `${id} leads term ${term}, and no quorum of ${told(conf)} has voted for it`,
    );
    const last = committed.findLast(({ inTerm }) => inTerm < term);
    const held = last === undefined || disk.isWritingEntries ? undefined : disk.entry(last.index);
    demand(
      last === undefined ||
        (lastIndex >= last.index && (held === undefined || held.term === last.term)),
      () => `${id} leads term ${term}, and lacks the committed entry ${last?.index}`,
    );
  }

  #handsOverToVoter(node: MemberId, confs: readonly ConfState[]): void {
    const to = this.#targets.get(node);
    this.#targets.delete(node);
    demand(
      to === undefined || confs.some(({ voters }) => voters.includes(to)),
      () => `${node} hands over to ${to}, which votes in none of ${confs.map(told).join(" ")}`,
    );
  }

  /** One change follows from another, which is committed, and so is an entry of the own term. */
  #goesOn(
    { id }: SimNode,
    { term, lastIndex }: ReplicaStatus,
    before: ConfState,
    next: ConfState,
    committed: readonly CommittedEntry[],
  ): void {
    this.#world.configurations.follows(id, before, next);
    demand(
      committed.some((entry) => entry.term === term),
      () => `${id} goes on to ${told(next)}, and nothing of its term ${term} is committed`,
    );
    for (const coming of next.voters.filter((voter) => !isVoter(before, voter))) {
      const holds = this.#world.node(coming).status()?.lastIndex ?? lastIndex;
      demand(
        lastIndex - holds <= LEARNER_LAG_ENTRIES_MAX + LAG_SLACK_ENTRIES,
        () => `${id} makes ${coming} a voter, which has ${holds} of ${lastIndex} entries`,
      );
    }
  }
}
