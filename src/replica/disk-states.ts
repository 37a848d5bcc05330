import type { Refusal } from "../errors.ts";
import {
  DISK_LOOK_MS,
  DISK_LOW_RETRY_AFTER_MS,
  ELECTION_TICKS_MAX,
  ELECTION_TICKS_MIN,
  HEARTBEAT_TICKS,
  LEARNER_LAG_ENTRIES_MAX,
  TICK_MS,
} from "../limits.ts";
import { quorumValue } from "../raft/quorum.ts";
import type { Raft } from "../raft/raft.ts";
import type { PeerProgress } from "../raft/ready.ts";
import type { LogIndex, MemberId, Term } from "../raft/types.ts";
import type { Command } from "../registry/command.ts";
import type { Notice } from "./inputs.ts";
import type { ReportConfirmed } from "./peer-messages.ts";

/**
 * Of the room that a node has on its disk. `low`: it is to be led by somebody else, and to be given
 * nothing more to keep. `full`: it takes no entries at all.
 */
export type DiskState = "ok" | "low" | "full";

/** Of writes, what the registry takes now: `removals` are those after which there is less. */
export type Intake = "all" | "removals" | "nothing";

/**
 * Disks that fill up together do so within moments: n1 is not to hand over to n2, whose report of the
 * same is on its way. Longer than a look at the disk and a report are apart.
 */
const SETTLING_TICKS = Math.ceil((DISK_LOOK_MS + 2 * HEARTBEAT_TICKS * TICK_MS) / TICK_MS);

/** A heartbeat says what is committed of what a follower has; one of them may be lost. */
const NEWS_TICKS = 2 * HEARTBEAT_TICKS;

const STRANDED: Refusal = {
  code: "DRAINING",
  message: "the disk of this node is full, so it would not learn what comes of it; ask another one",
};

const REFUSALS: Readonly<Record<Exclude<Intake, "all">, Refusal>> = {
  removals: {
    code: "DISK_LOW",
    message: "the registry is short of disk: it takes no sessions, registrations or updates",
    retryAfterMs: DISK_LOW_RETRY_AFTER_MS,
  },
  nothing: {
    code: "DISK_LOW",
    message: "the disks of the registry are full: it takes no writes",
    retryAfterMs: DISK_LOW_RETRY_AFTER_MS,
  },
};

/**
 * What the disks of the members allow (decision 0028). The leader hears of each of them in its
 * reports and decides; its word comes back with the confirmations, and is kept until the next one:
 * the leader of a majority that is full may be elected, and never come to say so.
 */
export class DiskStates {
  readonly #raft: Raft;
  readonly #notice: (notice: Notice) => void;
  #own: DiskState = "ok";
  /** By the last report of each in `#term`, in which this node leads. */
  readonly #reported = new Map<MemberId, DiskState>();
  #term: Term = 0;
  /** This node, and all that have reported: as on every other day. */
  #areAllOk = true;
  #told: Intake = "all";
  #toldTerm: Term = 0;
  /** Committed, by the word of a leader. */
  #committedIndex: LogIndex = 0;
  #ticksBehind = 0;
  #wasStranded = false;
  /** Before another attempt to hand over. */
  #patienceTicks = 0;

  constructor(raft: Raft, notice: (notice: Notice) => void) {
    this.#raft = raft;
    this.#notice = notice;
  }

  get own(): DiskState {
    return this.#own;
  }

  setOwn(state: DiskState): void {
    if (state !== this.#own) this.#patienceTicks = SETTLING_TICKS;
    this.#own = state;
    this.#look();
    this.#raft.setDiskFull(state === "full");
  }

  /** This node leads, and `member` has told it. */
  reported(member: MemberId, state: DiskState): void {
    if (this.#term !== this.#raft.term) {
      this.#term = this.#raft.term;
      this.#reported.clear();
    }
    this.#reported.set(member, state);
    this.#look();
  }

  #look(): void {
    const states = [this.#own, ...this.#reported.values()];
    this.#areAllOk = states.every((state) => state === "ok");
  }

  /** By the word of the leader. */
  told({
    intake,
    commitIndex,
    term,
  }: Pick<ReportConfirmed, "intake" | "commitIndex" | "term">): void {
    this.#told = intake;
    this.#toldTerm = term;
    this.#committedIndex = Math.max(this.#committedIndex, commitIndex);
  }

  /**
   * n3 is full, and n1 and n2 go on: of what they commit n3 takes nothing, so it can answer no write,
   * no read and no renewal any more, and its clients are better off with them. While all are full
   * nobody is stranded. Its log may end with what a dead leader has left, at 110: that n1 and n2 have
   * committed 105 it never learns. Nor does it at once of entries that it has in common with them.
   */
  get isStranded(): boolean {
    const { leader, lastIndex } = this.#raft;
    if (this.#own !== "full" || leader === null) return false;
    return this.#committedIndex > lastIndex || (this.#isBehind && this.#ticksBehind >= NEWS_TICKS);
  }

  /** By the word of who leads now: one that is not ready has nothing to say, and nobody goes on. */
  get #isBehind(): boolean {
    const { term, commitIndex } = this.#raft;
    return this.#own === "full" && this.#toldTerm === term && this.#committedIndex > commitIndex;
  }

  /**
   * By the word of the last leader that this node has heard; of itself, once it leads and has heard
   * the others, but for what it can know by itself.
   */
  get intake(): Intake {
    if (this.#raft.role !== "leader") return this.#told;
    if (this.#own === "full" || !this.#mayCommit()) return "nothing";
    return this.#raft.isLeaderReady ? this.#decide() : this.#told;
  }

  /**
   * n1 has room, and n2 and n3 fill up: were n1 to go by its own disk alone, it would
   * take registrations until a majority is full, and from then on not even removals.
   */
  #decide(): Intake {
    if (this.#areAllOk) return "all";
    return this.#own === "ok" && this.#hasQuorum((state) => state === "ok") ? "all" : "removals";
  }

  /** Null for what is taken. Whatever is not to be handed to the leader is refused before it is. */
  refusalOf(type: Command["type"]): Refusal | null {
    if (this.isStranded) return STRANDED;
    const { intake } = this;
    if (intake === "all") return null;
    return intake === "removals" && isRemoval(type) ? null : REFUSALS[intake];
  }

  /**
   * One tick: to whom this node, which leads, is to hand over now, or null. Not where a majority is
   * full: it confirms reads and renewals, and a new leader could not commit its no-op.
   */
  tick(): MemberId | null {
    this.#ticksBehind = this.#isBehind ? this.#ticksBehind + 1 : 0;
    const { isStranded } = this;
    if (isStranded !== this.#wasStranded) this.#notice({ type: "stranded", isStranded });
    this.#wasStranded = isStranded;
    if (this.#patienceTicks > 0) this.#patienceTicks -= 1;
    const isAsked = this.#own !== "ok" && this.#raft.isLeaderReady;
    if (!isAsked || this.#patienceTicks > 0) return null;
    if (!this.#mayCommit()) return null;
    const near = this.#near();
    const to =
      this.#bestOf("ok", near) ?? (this.#own === "full" ? this.#bestOf("low", near) : null);
    if (to !== null) this.#patienceTicks = ELECTION_TICKS_MAX;
    return to;
  }

  /** Whom to prefer when the leadership is given away; null where no disk says anything of it. */
  get successor(): MemberId | null {
    if (this.#areAllOk) return null;
    const all = this.#raft.progress();
    return this.#bestOf("ok", all) ?? this.#bestOf("low", all);
  }

  /** In this term. Who has not been heard yet gives no reason to refuse anything. */
  #states(): ReadonlyMap<MemberId, DiskState> {
    return this.#term === this.#raft.term ? this.#reported : new Map();
  }

  /**
   * n1 leads, n2 is full and n3 is dead: the heartbeats of n2 keep n1 leading, and yet nothing is
   * committed. So once a voter is full only those count that could make up for it.
   */
  #mayCommit(): boolean {
    if (this.#areAllOk) return true;
    const { conf, id } = this.#raft;
    const voters = [...conf.voters, ...conf.votersOutgoing];
    if (voters.every((voter) => this.#stateOf(voter) !== "full")) return true;
    const heard = new Set([id]);
    for (const { id: peer, ticksSinceHeard } of this.#raft.progress()) {
      if (ticksSinceHeard < ELECTION_TICKS_MAX) heard.add(peer);
    }
    return this.#hasQuorum((state, voter) => state !== "full" && heard.has(voter));
  }

  #stateOf(voter: MemberId): DiskState {
    return voter === this.#raft.id ? this.#own : (this.#states().get(voter) ?? "ok");
  }

  #hasQuorum(isFit: (state: DiskState, voter: MemberId) => boolean): boolean {
    const isFitted = (voter: MemberId): boolean => isFit(this.#stateOf(voter), voter);
    return quorumValue(this.#raft.conf, (voter) => (isFitted(voter) ? 1 : 0)) === 1;
  }

  /**
   * No proposal is taken while the leadership is on its way, and to one that is being sent a snapshot
   * it never gets.
   */
  #near(): readonly PeerProgress[] {
    const { lastIndex } = this.#raft;
    return this.#raft.progress().filter(({ state, matchIndex }) => {
      return state === "replicate" && lastIndex - matchIndex <= LEARNER_LAG_ENTRIES_MAX;
    });
  }

  /** Of the other voters that say so and were heard of late, the one that has most of the log. */
  #bestOf(wanted: DiskState, peers: readonly PeerProgress[]): MemberId | null {
    const { conf, id: self } = this.#raft;
    const states = this.#states();
    let best: MemberId | null = null;
    let bestMatch = -1;
    for (const { id, matchIndex, ticksSinceHeard } of peers) {
      const isFit = id !== self && conf.voters.includes(id) && states.get(id) === wanted;
      if (isFit && ticksSinceHeard < ELECTION_TICKS_MIN && matchIndex > bestMatch) {
        best = id;
        bestMatch = matchIndex;
      }
    }
    return best;
  }
}

function isRemoval(type: Command["type"]): boolean {
  return type !== "openSession" && type !== "register" && type !== "update";
}
