import type { Timers } from "../env/env.ts";
import type { Refusal } from "../errors.ts";
import { CALL_TIMEOUT_MS_DEFAULT, MEMBERS_MAX } from "../limits.ts";
import type { ConfChange } from "../raft/conf-change.ts";
import { isMemberOf, isVoterOf } from "../raft/conf-state.ts";
import type { ConfRefusal } from "../raft/membership.ts";
import type { ConfMember, ConfState, LogIndex, MemberId } from "../raft/types.ts";
import type { Input, Notice, TransferOutcome } from "../replica/inputs.ts";
import { unreachable } from "../util/assert.ts";
import { deferred } from "../util/deferred.ts";
import { type NamedAddress, placeOf } from "./address.ts";

/** What an operator may ask of the leader. A member is named by its name or its id. */
export type Operation =
  | ({ readonly type: "add" } & ConfMember)
  /** Of a node whose directory was never part of a cluster, to the cluster of that lineage. */
  | ({ readonly type: "join"; readonly lineage: string } & ConfMember)
  | { readonly type: "update"; readonly member: string; readonly address: string }
  | { readonly type: "promote"; readonly member: string }
  | { readonly type: "remove"; readonly member: string }
  | { readonly type: "replace"; readonly member: string; readonly by: string }
  /** `member` null: to the voter that fits best. */
  | { readonly type: "transferLeader"; readonly member: string | null };

/** `reason` names the case for programs; `leader` is whom to ask instead, where that is known. */
export interface OperationRefusal extends Refusal {
  readonly reason: string;
  readonly leader?: NamedAddress;
}

/** `index`: of a change, which is committed as of it. `members`: for who joins, where they are. */
export type OperationAnswer =
  | { readonly ok: true; readonly index?: LogIndex; readonly members?: readonly NamedAddress[] }
  | { readonly ok: false; readonly refusal: OperationRefusal };

export interface OperationsHost {
  readonly name: string;
  readonly timers: Timers;
  readonly lineage: string;
  conf(): ConfState;
  commitIndex(): LogIndex;
  /** Where a member serves; null where nobody said. */
  addressOf(name: string): string | null;
  nameOf(id: MemberId): string | null;
  /** Where somebody leads who is known. */
  leader(): NamedAddress | null;
  isLeader(): boolean;
  step(input: Input): void;
}

type Settle = (answer: OperationAnswer) => void;

/** What to ask of Raft, by the configuration of the moment, or why not to. */
type Plan = () => ConfChange | OperationRefusal;

interface Change {
  readonly plan: Plan;
  readonly settle: Settle;
}

/** A leader that has just been elected commits an entry of its own first: a matter of one fsync. */
const UNREADY_PAUSE_MS = 20;

const DONE: OperationAnswer = { ok: true };

/** Carries out what an operator asks of this node, and tells when it is done or why it is not. */
export class Operations {
  readonly #host: OperationsHost;
  readonly #changes = new Map<number, Change>();
  readonly #transfers = new Set<(outcome: TransferOutcome) => void>();
  #lastRequest = 0;

  constructor(host: OperationsHost) {
    this.#host = host;
  }

  /** Resolves within CALL_TIMEOUT_MS_DEFAULT. */
  run(operation: Operation): Promise<OperationAnswer> {
    if (!this.#host.isLeader()) {
      return Promise.resolve(this.#notLeader());
    }
    switch (operation.type) {
      case "transferLeader":
        return this.#hand(operation.member);
      case "add":
        return this.#add(operation);
      case "join":
        return this.#join(operation);
      case "update":
        return this.#change(() => this.#moved(operation.member, operation.address));
      case "promote":
      case "remove":
        return this.#change(() => ({ type: operation.type, id: this.#idOf(operation.member) }));
      case "replace": {
        const { member, by } = operation;
        return this.#change(() => ({
          type: "replace",
          id: this.#idOf(member),
          by: this.#idOf(by),
        }));
      }
      default:
        return unreachable(operation);
    }
  }

  /** `listener` is told until it is taken back. */
  onTransfer(listener: (outcome: TransferOutcome) => void): () => void {
    this.#transfers.add(listener);
    return () => this.#transfers.delete(listener);
  }

  take(notice: Notice): void {
    if (notice.type === "leadershipTransfer") {
      for (const listener of [...this.#transfers]) {
        listener(notice.outcome);
      }
    }
    if (notice.type !== "membersChange") {
      return;
    }
    const { request, outcome } = notice;
    const settle = this.#changes.get(request)?.settle;
    switch (outcome.type) {
      case "done":
        settle?.({ ok: true, index: this.#host.commitIndex() });
        break;
      case "unknown":
        settle?.(refused("LEADER_LOST", "leaderLost", "the leader changed meanwhile"));
        break;
      case "refused":
        if (outcome.refusal.reason === "notReady") {
          this.#host.timers.after(UNREADY_PAUSE_MS, () => this.#propose(request));
          break;
        }
        settle?.(this.#explained(outcome.refusal));
        break;
      default:
        unreachable(outcome);
    }
  }

  #add({ id, name, address }: ConfMember): Promise<OperationAnswer> {
    const member = { id, name, address };
    return this.#change(
      () => this.#taken(member) ?? this.#crowded() ?? { type: "addLearner", member },
    );
  }

  /**
   * Whoever has acknowledged something under this id, to this leader or another, had a directory
   * that is gone. Of a learner nothing was counted; added anew it starts from nothing, also in what
   * this leader believes that it has. Of a voter something may have been, and must not be forgotten.
   */
  async #join({
    lineage,
    ...member
  }: Extract<Operation, { type: "join" }>): Promise<OperationAnswer> {
    if (lineage !== this.#host.lineage) {
      const text = `${this.#host.name} is of cluster ${this.#host.lineage}, not of ${lineage}`;
      return refused("CONFLICT", "otherCluster", text);
    }
    if (isMemberOf(this.#host.conf(), member.id)) {
      const removed = await this.#change(() => this.#removalOfLearner(member));
      if (!removed.ok) {
        return removed;
      }
    }
    const added = await this.#add(member);
    return added.ok ? { ...added, members: this.#places() } : added;
  }

  /**
   * The log does not say where those are that the cluster was born with. n3 is away, n4 and n5 join
   * and take the places of n1 and n2; n3 comes back and can dial nobody, so they have to know n3.
   */
  #places(): readonly NamedAddress[] {
    return this.#host.conf().members.flatMap(({ name }) => {
      const address = this.#host.addressOf(name);
      return address === null ? [] : [{ name, address }];
    });
  }

  #removalOfLearner({ id, name }: ConfMember): ConfChange | OperationRefusal {
    if (isVoterOf(this.#host.conf(), id)) {
      const text = `${name} (${id}) votes already, so it had a directory that was part of this cluster`;
      return refused("CONFLICT", "alreadyVoter", text).refusal;
    }
    return { type: "remove", id };
  }

  #moved(member: string, address: string): ConfChange | OperationRefusal {
    const id = this.#idOf(member);
    const moved = { id, name: this.#named(id), address };
    return this.#taken(moved) ?? { type: "update", member: moved };
  }

  /** A container that starts again and again with another name and an empty disk is found out. */
  #crowded(): OperationRefusal | null {
    if (this.#host.conf().members.length < MEMBERS_MAX) {
      return null;
    }
    const text = `there are ${MEMBERS_MAX} members already (MEMBERS_MAX)`;
    return { ...refused("LIMIT", "tooMany", text).refusal, limit: MEMBERS_MAX };
  }

  #taken({ id, name, address }: ConfMember): OperationRefusal | null {
    for (const other of this.#host.conf().members) {
      if (other.id === id) {
        continue;
      }
      if (other.name === name) {
        const role = isVoterOf(this.#host.conf(), other.id) ? "voter" : "learner";
        const text = `${name} is already the name of a ${role} (${other.id})`;
        return refused("CONFLICT", "nameTaken", text).refusal;
      }
      // Where it is, and where it was said to be from now on.
      const places = [this.#host.addressOf(other.name) ?? "", other.address];
      if (places.some((place) => place !== "" && placeOf(place) === placeOf(address))) {
        const text = `${address} is already the address of ${other.name}`;
        return refused("CONFLICT", "addressTaken", text).refusal;
      }
    }
    return null;
  }

  #change(plan: Plan): Promise<OperationAnswer> {
    this.#lastRequest += 1;
    const request = this.#lastRequest;
    return this.#within((settle) => {
      this.#changes.set(request, { plan, settle });
      this.#propose(request);
    }).finally(() => this.#changes.delete(request));
  }

  #propose(request: number): void {
    const waiting = this.#changes.get(request);
    if (waiting === undefined) {
      return;
    }
    const change = waiting.plan();
    if ("code" in change) {
      waiting.settle({ ok: false, refusal: change });
    } else {
      this.#host.step({ type: "changeMembers", request, change });
    }
  }

  #hand(member: string | null): Promise<OperationAnswer> {
    const to = member === null ? null : this.#idOf(member);
    let stop = (): void => {};
    return this.#within((settle) => {
      stop = this.onTransfer((outcome) => {
        const answer = this.#transferred(outcome, member);
        if (answer !== null) {
          settle(answer);
        }
      });
      this.#host.step({ type: "transferLeadership", to });
    }).finally(() => stop());
  }

  async #within(begin: (settle: Settle) => void): Promise<OperationAnswer> {
    const { promise, resolve } = deferred<OperationAnswer>();
    const timer = this.#host.timers.after(CALL_TIMEOUT_MS_DEFAULT, () => {
      const text = `not done within ${CALL_TIMEOUT_MS_DEFAULT} ms; it may yet be`;
      resolve(refused("TIMEOUT", "timeout", text));
    });
    begin(resolve);
    const answer = await promise;
    timer.cancel();
    return answer;
  }

  #transferred(outcome: TransferOutcome, member: string | null): OperationAnswer | null {
    switch (outcome) {
      case "started":
        return null;
      case "done":
        return DONE;
      case "superseded":
        return refused("CONFLICT", outcome, "another member than the one that was asked leads now");
      case "abandoned":
        return refused(
          "CONFLICT",
          outcome,
          `${member ?? "no other member"} did not take over in time; ${this.#host.name} leads on`,
        );
      case "notLeader":
        return this.#notLeader();
      case "inProgress":
        return refused("CONFLICT", outcome, "the leadership is being handed over already");
      case "notVoter":
        return refused("CONFLICT", outcome, `${member} is not another voter of this cluster`);
      case "noTarget":
        return refused("CONFLICT", outcome, "no other voter was heard of late");
      default:
        return unreachable(outcome);
    }
  }

  #idOf(member: string): MemberId {
    const { members } = this.#host.conf();
    const found =
      members.find(({ id }) => id === member) ?? members.find(({ name }) => name === member);
    return found?.id ?? member;
  }

  #named(id: MemberId): string {
    return this.#host.nameOf(id) ?? id;
  }

  #notLeader(): OperationAnswer {
    const { name } = this.#host;
    const leader = this.#host.leader();
    const text =
      leader === null
        ? `${name} does not lead, and knows of nobody who does`
        : `${name} does not lead: ${leader.name} does, at ${leader.address}`;
    const refusal = { code: "NO_LEADER", reason: "notLeader", message: text } as const;
    return { ok: false, refusal: leader === null ? refusal : { ...refusal, leader } };
  }

  #explained(refusal: ConfRefusal): OperationAnswer {
    const { reason } = refusal;
    switch (reason) {
      case "notLeader":
        return this.#notLeader();
      case "transferring":
        return refused("CONFLICT", reason, "the leadership is being handed over");
      case "notReady":
        return refused("CONFLICT", reason, "the leader has just been elected");
      case "diskFull":
        return refused("CONFLICT", reason, "the disk of the leader is full");
      case "inProgress":
        return refused("CONFLICT", reason, "another change of the members is not complete yet");
      case "behind":
        return refused("CONFLICT", reason, this.#lagOf(refusal));
      case "quorumSilent": {
        const silent = refusal.silent.map((id) => this.#named(id)).join(", ");
        const text = `too few of the members that would decide were heard of late: ${silent} silent`;
        return refused("CONFLICT", reason, text);
      }
      case "alreadyMember":
        return refused(
          "CONFLICT",
          reason,
          `${this.#named(refusal.id)} is a member already, and nothing of it would change`,
        );
      case "notMember":
        return refused("NOT_FOUND", reason, `${refusal.id} is no member of this cluster`);
      case "notLearner":
        return refused("CONFLICT", reason, `${this.#named(refusal.id)} is a voter already`);
      case "notVoter":
        return refused("CONFLICT", reason, `${this.#named(refusal.id)} is no voter`);
      case "lastVoter":
        return refused("CONFLICT", reason, `${this.#named(refusal.id)} is the only voter`);
      default:
        return unreachable(reason);
    }
  }

  #lagOf(refusal: Extract<ConfRefusal, { reason: "behind" }>): string {
    const { id, lastIndex, matchIndex, state, ticksSinceHeard } = refusal;
    const lag = lastIndex - matchIndex;
    return `${this.#named(id)} is not near enough to vote: ${lag} entries behind (${state}), last heard ${ticksSinceHeard} ticks ago`;
  }
}

function refused(
  code: OperationRefusal["code"],
  reason: string,
  message: string,
): OperationAnswer & { readonly ok: false } {
  return { ok: false, refusal: { code, reason, message } };
}
