import type { ConfState } from "../../src/raft/types.ts";
import type { Prng } from "../prng.ts";
import type { ChangeOfMembers, FaultKind } from "./fault.ts";
import type { SimOptions } from "./options.ts";

const MEMBERS_MAX = 7;
const VOTERS_MAX = 5;
/** Past the end of all faults: it does not come back, unless it is still a member then. */
const LOST_MS = 60_000;

/** What a change of the members is drawn from; all of it as of now. */
export interface MemberTargets {
  /** All machines that are not switched off for good. */
  readonly nodes: readonly string[];
  readonly leader: string | null;
  /** Whoever takes itself for the leader. */
  readonly leaders: readonly string[];
  /** In force where the leader is; the last that is committed where there is none. */
  readonly conf: ConfState;
  readonly isBroken: (node: string) => boolean;
  /** It is committed that they are no members any more. */
  readonly removed: readonly string[];
  /** No machine had it before. */
  readonly nextId: string;
}

type Change = ChangeOfMembers | { readonly type: "add" };

/** Draws what an operator may ask for, in order or not, and what comes in between. */
export class ChurnDrawing {
  readonly #prng: Prng;
  readonly #targets: MemberTargets;
  /** Nothing may happen that would be a reason for another leader, but what is asked for. */
  readonly #isGentle: boolean;
  /** Where one has lost its log, nobody may take another's away that is needed to elect anybody. */
  readonly #keepsVoters: boolean;

  constructor({ hasOnlyStorms, faults }: SimOptions, prng: Prng, targets: MemberTargets) {
    this.#isGentle = hasOnlyStorms;
    this.#keepsVoters = faults.asideMs > 0;
    this.#prng = prng;
    this.#targets = targets;
  }

  draw(): readonly FaultKind[] {
    const { removed } = this.#targets;
    if (removed.length > 0 && this.#prng.chance(250)) {
      return [{ type: "retire", node: this.#prng.pick(removed) }];
    }
    const drawn = [this.#request(this.#change())];
    if (this.#prng.chance(150)) {
      drawn.push(this.#request(this.#change()));
    }
    return drawn;
  }

  /** Mostly of the leader, patiently; else of one that may have been deposed, or of whoever. */
  #request(change: Change): FaultKind {
    const prng = this.#prng;
    const { leaders, nodes } = this.#targets;
    const one = prng.pick(leaders.length > 0 && prng.chance(500) ? leaders : nodes);
    const asked = prng.chance(750) ? null : one;
    const forMs = asked === null ? prng.between(500, 4_000) : 0;
    if (change.type !== "add") {
      return { type: "change", asked, forMs, change };
    }
    const afterMs = prng.chance(500) ? 0 : prng.between(0, 2_000);
    return { type: "add", node: this.#newcomer(), asked, forMs, afterMs };
  }

  /** Or a machine that is there, and was not taken up. */
  #newcomer(): string {
    const { nodes, conf, nextId, removed } = this.#targets;
    const isMember = (id: string): boolean => conf.members.some((member) => member.id === id);
    const waiting = nodes.filter((id) => !isMember(id) && !removed.includes(id));
    return waiting.length > 0 && this.#prng.chance(300) ? this.#prng.pick(waiting) : nextId;
  }

  #change(): Change {
    const prng = this.#prng;
    const { conf, nodes } = this.#targets;
    const { voters, learners, members } = conf;
    const possible: Change[] = [];
    if (members.length < MEMBERS_MAX) {
      possible.push({ type: "add" });
      if (learners.length === 0) possible.push({ type: "add" }, { type: "add" });
    }
    if (learners.length > 0) {
      const learner = prng.pick(learners);
      if (voters.length < VOTERS_MAX) possible.push(...times(3, { type: "promote", id: learner }));
      if (!this.#keepsVoters) {
        possible.push(...times(3, { type: "replace", id: this.#victim(), by: learner }));
      }
      possible.push({ type: "remove", id: learner });
    }
    if (voters.length > 1 && !this.#keepsVoters) {
      possible.push(...times(voters.length > 3 ? 3 : 1, { type: "remove", id: this.#victim() }));
    }
    const { id, name } = prng.pick(members);
    possible.push({ type: "update", member: { id, name, address: `port ${prng.below(9)}` } });
    const any = prng.pick(nodes);
    if (prng.chance(60)) return { type: "promote", id: any };
    if (!this.#keepsVoters && prng.chance(60))
      return { type: "replace", id: any, by: prng.pick(nodes) };
    return prng.pick(possible);
  }

  /** Of the voters: the leader, one that cannot be reached, or any. */
  #victim(): string {
    const { conf, leader, isBroken } = this.#targets;
    const broken = conf.voters.filter(isBroken);
    const kind = this.#prng.below(3);
    if (kind === 0 && leader !== null) return leader;
    return this.#prng.pick(kind === 1 && broken.length > 0 ? broken : conf.voters);
  }

  #canSpareOne(): boolean {
    const { conf, isBroken } = this.#targets;
    return conf.voters.length >= 3 && !conf.voters.some(isBroken);
  }

  /** While a change may be under way. */
  interrupt(): readonly FaultKind[] {
    const prng = this.#prng;
    const { leader, nodes } = this.#targets;
    const one = leader !== null && prng.chance(600) ? leader : prng.pick(nodes);
    const kind = prng.below(14);
    if (leader !== null && kind === 0) {
      return [{ type: "transfer", asked: leader, to: prng.chance(700) ? null : prng.pick(nodes) }];
    }
    if (this.#isGentle) return [];
    const forMs = prng.between(0, 4_000);
    if (kind === 1 || kind === 2) {
      return [{ type: "crash", node: one, forMs, isPowerCut: kind === 2 }];
    }
    if (kind === 3) return [{ type: "hang", node: one, forMs }];
    if (kind === 4 && this.#canSpareOne()) {
      return [{ type: "crash", node: one, forMs: LOST_MS, isPowerCut: prng.chance(500) }];
    }
    if (kind === 5) return [this.#cut(new Set([one]), forMs)];
    if (kind === 6) return [this.#cut(new Set(nodes.filter(() => prng.chance(500))), forMs)];
    return [];
  }

  #cut(side: ReadonlySet<string>, forMs: number): FaultKind {
    const { nodes } = this.#targets;
    const edges = nodes.flatMap((from) =>
      nodes.filter((to) => side.has(from) !== side.has(to)).map((to) => `${from}>${to}`),
    );
    return { type: "cut", shape: "halves", edges, forMs };
  }
}

function times(count: number, change: Change): Change[] {
  return Array.from({ length: count }, () => change);
}
