import type { ConfChange } from "../../src/raft/conf-change.ts";
import type { ConfState } from "../../src/raft/types.ts";
import type { MembersOutcome } from "../../src/replica/member-changes.ts";
import { isVoter, told } from "./configurations.ts";
import { isNamed } from "./quorums.ts";
import type { SimNode } from "./sim-node.ts";
import { demand } from "./violation.ts";
import type { World } from "./world.ts";

interface Request {
  readonly node: SimNode;
  readonly change: ConfChange;
  /** Refused until then for what passes, it is asked for again. */
  readonly untilMs: number;
}

const AGAIN_MS = 150;
/** What is refused for one of these may be taken a moment later. */
const PASSING = new Set<string>(["notLeader", "notReady", "transferring", "inProgress", "behind"]);

/** Whoever has the members changed: asks nodes, and holds them to what they answer. */
export class Operator {
  readonly #open = new Map<number, Request>();
  /** Told done in this step of the node; looked at when all of the step is known. */
  #done: Request[] = [];
  readonly #world: World;
  #isStopped = false;
  #requests = 0;
  #tooEarly = 0;

  constructor(world: World) {
    this.#world = world;
  }

  /** Promotions that were refused because the learner was behind. */
  get tooEarly(): number {
    return this.#tooEarly;
  }

  /** Those that nobody has answered, for the message of a run that does not settle. */
  get unanswered(): readonly string[] {
    return [...this.#open.values()].map(({ node, change }) => `${change.type} by ${node.id}`);
  }

  /** Of one node, once. */
  ask(node: SimNode, change: ConfChange): void {
    this.#ask(node, change, 0);
  }

  /** Of whoever leads, until it is taken, or `forMs` is over. */
  have(change: ConfChange, forMs: number): void {
    this.#seek(change, this.#world.schedule.nowMs + forMs);
  }

  /** What was not taken up yet is not asked for any more. */
  stop(): void {
    this.#isStopped = true;
  }

  #seek(change: ConfChange, untilMs: number): void {
    const leader = this.#world.leaders.at(-1);
    if (leader === undefined) {
      this.#later(change, untilMs);
    } else {
      this.#ask(leader, change, untilMs);
    }
  }

  #later(change: ConfChange, untilMs: number): void {
    this.#world.schedule.after(AGAIN_MS, () => {
      if (!this.#isStopped && this.#world.schedule.nowMs < untilMs) {
        this.#seek(change, untilMs);
      }
    });
  }

  /** A node that is down, or stands still, gives no answer, and takes nothing up later. */
  #ask(node: SimNode, change: ConfChange, untilMs: number): void {
    if (node.isUp && !node.isPaused && !this.#isOfRemoved(node, change)) {
      this.#requests += 1;
      this.#open.set(this.#requests, { node, change, untilMs });
      node.input({ type: "changeMembers", request: this.#requests, change });
    }
  }

  /** The directory of one that was removed says so, and would not start as a member again. */
  #isOfRemoved(asked: SimNode, change: ConfChange): boolean {
    const conf = asked.status()?.conf;
    return (
      change.type === "addLearner" &&
      this.#world.configurations.wasMember(change.member.id) &&
      conf?.members.some(({ id }) => id === change.member.id) === false
    );
  }

  answered(node: SimNode, number: number, outcome: MembersOutcome): void {
    const request = this.#open.get(number);
    demand(request?.node === node, () => `${node.id} answers request ${number} unasked`);
    this.#open.delete(number);
    if (outcome.type === "done" && request !== undefined) {
      this.#done.push(request);
    }
    if (outcome.type === "refused" && request !== undefined) {
      const { reason } = outcome.refusal;
      this.#tooEarly += reason === "behind" ? 1 : 0;
      if (PASSING.has(reason)) {
        this.#later(request.change, request.untilMs);
      }
    }
  }

  crashed(node: SimNode): void {
    for (const [number, request] of this.#open) {
      if (request.node === node) {
        this.#open.delete(number);
      }
    }
  }

  /** `committed`: those as of the node's commit index, and later ones. */
  stepped(node: SimNode, committed: readonly ConfState[]): void {
    const done = this.#done;
    this.#done = [];
    for (const { change } of done) {
      demand(
        committed.some((conf) => isMade(change, conf)),
        () =>
          `${node.id} says that it is done: ${JSON.stringify(change)}; committed is ` +
          committed.map(told).join(" "),
      );
    }
  }
}

function isMade(change: ConfChange, conf: ConfState): boolean {
  switch (change.type) {
    case "addLearner":
      return isNamed(conf, change.member.id);
    case "promote":
      return isVoter(conf, change.id);
    case "remove":
      return !isNamed(conf, change.id);
    case "replace":
      return !isNamed(conf, change.id) && isVoter(conf, change.by);
    case "update":
      return conf.members.some(
        ({ id, address }) => id === change.member.id && address === change.member.address,
      );
  }
}
