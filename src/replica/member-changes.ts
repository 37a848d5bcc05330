import type { ConfChange } from "../raft/conf-change.ts";
import { isJoint, isMemberOf } from "../raft/conf-state.ts";
import type { ConfRefusal } from "../raft/membership.ts";
import type { Raft } from "../raft/raft.ts";
import type { ConfState, LogIndex, Term } from "../raft/types.ts";
import type { Notice } from "./inputs.ts";

/**
 * - `done`: committed, and no joint configuration is left.
 * - `unknown`: the leadership was lost before that. It may have happened, or may yet.
 * - `refused`: nothing has happened.
 */
export type MembersOutcome =
  | { readonly type: "done" }
  | { readonly type: "unknown" }
  | { readonly type: "refused"; readonly refusal: ConfRefusal };

interface Pending {
  readonly request: number;
  /** In which this node leads. */
  readonly term: Term;
}

/** Tells who is a member from now on, and what becomes of the changes that are asked for here. */
export class MemberChanges {
  readonly #raft: Raft;
  readonly #notice: (notice: Notice) => void;
  readonly #joinedIndex: LogIndex;
  #conf: ConfState;
  /** As of the commit index. */
  #committed: ConfState;
  #pending: Pending | null = null;
  #isOut: boolean;
  #isToldOut = false;

  constructor(raft: Raft, joinedIndex: LogIndex, notice: (notice: Notice) => void) {
    this.#raft = raft;
    this.#notice = notice;
    this.#joinedIndex = joinedIndex;
    this.#conf = raft.conf;
    this.#committed = raft.confAt(raft.commitIndex);
    this.#isOut = !isMemberOf(raft.conf, raft.id);
  }

  ask(request: number, change: ConfChange): void {
    this.observe();
    const proposal = this.#raft.proposeConf(change);
    if (proposal.ok) {
      this.#pending = { request, term: this.#raft.term };
      return;
    }
    const { ok: _, ...refusal } = proposal;
    this.#tell(request, { type: "refused", refusal });
  }

  /** After every step of Raft. */
  observe(): void {
    const { conf, id, commitIndex } = this.#raft;
    if (conf !== this.#conf) {
      this.#conf = conf;
      this.#isOut = !isMemberOf(conf, id);
      this.#notice({ type: "configuration", conf });
    }
    if (conf !== this.#committed) {
      this.#observeCommit();
    }
    // n4 was added, removed before its directory was born, and added again: it is to read all that
    // in the log, and is none the less a member.
    const isJoined = commitIndex >= this.#joinedIndex;
    if (this.#isOut && !this.#isToldOut && isJoined && this.#raft.isRemoved) {
      this.#isToldOut = true;
      this.#notice({ type: "removed" });
    }
    this.#settle();
  }

  #observeCommit(): void {
    const committed = this.#raft.confAt(this.#raft.commitIndex);
    if (committed !== this.#committed) {
      this.#committed = committed;
      this.#notice({ type: "configurationCommitted", conf: committed });
    }
  }

  /** A leader that has removed itself is a follower of the same term once that is committed. */
  #settle(): void {
    const pending = this.#pending;
    if (pending === null) {
      return;
    }
    const { term, role, commitIndex, conf } = this.#raft;
    const isSettled = !isJoint(conf) && this.#raft.confAt(commitIndex) === conf;
    if (term === pending.term && isSettled) {
      this.#end(pending, "done");
    } else if (term !== pending.term || role !== "leader") {
      this.#end(pending, "unknown");
    }
  }

  #end({ request }: Pending, type: "done" | "unknown"): void {
    this.#pending = null;
    this.#tell(request, { type });
  }

  #tell(request: number, outcome: MembersOutcome): void {
    this.#notice({ type: "membersChange", request, outcome });
  }
}
