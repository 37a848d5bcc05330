import type { Logger, Timer, Timers } from "../env/env.ts";
import type { ConfState, MemberId, Role, Term } from "../raft/types.ts";
import type { EndReason } from "../registry/command.ts";
import type { Doubt } from "../replica/checkpoints.ts";
import type { Notice } from "../replica/inputs.ts";
import { unreachable } from "../util/assert.ts";
import type { Metrics } from "./metrics.ts";

const COUNT_MS = 1_000;
const DOUBT_HINT =
  "Find out which state is right. A member with another one is stopped, told to take it ('rollcall discard-state'), and started again; not two of three at once.";

/** What the log says of the replica: one line a change of state; sessions that end are counted. */
export class Notices {
  readonly #logger: Logger;
  readonly #timers: Timers;
  readonly #metrics: Metrics;
  readonly #nameOf: (id: MemberId | null) => string | null;
  readonly #ended = new Map<EndReason, number>();
  #timer: Timer | null = null;
  #leader: MemberId | null = null;
  /** Roles without a leader that were told of one after the other, all in this term. */
  readonly #trials = new Set<Role>();
  #trialTerm: Term | null = null;
  /** Of every log line. */
  state: Readonly<Record<string, unknown>> = {};

  constructor(
    logger: Logger,
    timers: Timers,
    metrics: Metrics,
    nameOf: (id: MemberId | null) => string | null,
  ) {
    this.#logger = logger;
    this.#timers = timers;
    this.#metrics = metrics;
    this.#nameOf = nameOf;
  }

  take(notice: Notice): void {
    switch (notice.type) {
      case "raftState": {
        const { role, term, leader } = notice;
        this.state = { role, term };
        if (leader !== null && leader !== this.#leader) {
          this.#metrics.leaderChanges.inc();
        }
        this.#leader = leader ?? this.#leader;
        if (!this.#isRepeated(notice)) {
          this.#logger.info({ leader: this.#nameOf(leader) }, `${role} in term ${term}`);
        }
        break;
      }
      case "sessionEnded":
        this.#metrics.sessionsEnded.inc({ reason: notice.reason });
        this.#ended.set(notice.reason, (this.#ended.get(notice.reason) ?? 0) + 1);
        this.#timer ??= this.#timers.after(COUNT_MS, () => this.flush());
        break;
      case "caughtUp": {
        const { index, ageKnown } = notice;
        const text = ageKnown
          ? "caught up with the leader"
          : "serves its stored copy, no leader yet";
        this.#logger.info({ index }, text);
        break;
      }
      case "doubt":
        this.#doubt(notice.doubt);
        break;
      case "stranded":
        if (notice.isStranded) {
          this.#logger.warn({}, "the others go on without this node: its clients are sent to them");
        } else {
          this.#logger.info({}, "this node is of use to clients again");
        }
        break;
      case "massBreak":
        this.#logger.warn(
          { sessions: notice.sessions },
          "many sessions broke at once: they keep their TTL",
        );
        break;
      case "leadershipTransfer": {
        const { to, outcome } = notice;
        this.#logger.info({ to: this.#nameOf(to), outcome }, "transfer of the leadership");
        break;
      }
      case "returned":
        this.#logger.info(
          { agreedIndex: notice.agreedIndex },
          "back: the state of a peer has taken the place of this node's own",
        );
        break;
      case "snapshotWaits":
        this.#logger.warn(
          { index: notice.index },
          "a snapshot waits for a majority to agree on its state: the log is not cut meanwhile",
        );
        break;
      case "snapshot": {
        const { how, index, bytes } = notice;
        this.#metrics.snapshots.inc({ how });
        this.#logger.info({ index, bytes }, `snapshot ${how}`);
        break;
      }
      case "configuration":
        this.#configuration(notice.conf);
        break;
      case "removed":
        this.#logger.warn({}, "this node was removed from the cluster");
        break;
      case "membersChange":
        this.#logger.info({ outcome: notice.outcome }, "change of the members");
        break;
      case "configurationCommitted":
      case "applied":
        break;
      default:
        unreachable(notice);
    }
  }

  #configuration({ voters, votersOutgoing, learners }: ConfState): void {
    const named = Object.entries({ voters, votersOutgoing, learners })
      .filter(([, ids]) => ids.length > 0)
      .map(([list, ids]) => [list, ids.map((id) => this.#nameOf(id) ?? id)]);
    this.#logger.info(Object.fromEntries(named), "another configuration is in force");
  }

  #doubt(doubt: Doubt | null): void {
    if (doubt === null) {
      this.#logger.info({}, "a majority agrees on one state again");
      return;
    }
    const { index, digests } = doubt;
    const states = digests.map(({ member, digest }) => ({ member: this.#nameOf(member), digest }));
    this.#logger.error(
      { index, states, hint: DOUBT_HINT },
      "no state has a majority: a leader proposes nothing",
    );
  }

  /** Who alone has lost the leader asks for PreVotes many times a second, and is refused. */
  #isRepeated({ role, term, leader }: Extract<Notice, { type: "raftState" }>): boolean {
    const isTrial = leader === null && (role === "preCandidate" || role === "follower");
    const isRepeated = isTrial && this.#trialTerm === term && this.#trials.has(role);
    if (!isTrial || this.#trialTerm !== term) {
      this.#trials.clear();
    }
    this.#trialTerm = isTrial ? term : null;
    if (isTrial) {
      this.#trials.add(role);
    }
    return isRepeated;
  }

  flush(): void {
    this.#timer?.cancel();
    this.#timer = null;
    if (this.#ended.size > 0) {
      this.#logger.info({ ended: Object.fromEntries(this.#ended) }, "sessions ended");
      this.#ended.clear();
    }
  }
}
