import { CHECKPOINT_ENTRIES, CHECKPOINT_REPEAT_TICKS } from "../limits.ts";
import { isVoterOf } from "../raft/conf-state.ts";
import type { Raft } from "../raft/raft.ts";
import type { LogIndex, MemberId } from "../raft/types.ts";
import type { Registry } from "../registry/registry.ts";
import { Checkpoints } from "./checkpoints.ts";
import type { Emit } from "./connections.ts";
import type { Output } from "./inputs.ts";
import type { Checkpoint } from "./peer-messages.ts";

interface Parts {
  readonly raft: Raft;
  readonly registry: Registry;
  readonly linksUp: ReadonlySet<MemberId>;
  readonly emit: Emit;
}

/** This member's part in comparing the states: what it tells the others, and what follows for it. */
export class Comparison {
  readonly #parts: Parts;
  readonly #entries: number;
  readonly #checkpoints: Checkpoints;
  #ticksSinceTold = 0;
  #isDoubtTold = false;
  #isDivergenceTold = false;

  /** `entries`: states are compared at every index that it divides. */
  constructor(parts: Parts, entries = CHECKPOINT_ENTRIES) {
    this.#parts = parts;
    this.#entries = entries;
    this.#checkpoints = new Checkpoints(parts.raft.id);
    // A start with a snapshot applies no entry up to there, and where nobody writes any more that
    // may be the last checkpoint of all: so it is said now.
    const { snapshot } = parts.raft;
    if (snapshot !== null) {
      this.applied(snapshot.index);
    }
  }

  get status(): Pick<Checkpoints, "agreedIndex" | "doubt"> {
    const { agreedIndex, doubt } = this.#checkpoints;
    return { agreedIndex, doubt };
  }

  get isDiverged(): boolean {
    return this.#checkpoints.divergence !== null;
  }

  /** No state has a majority. */
  get isInDoubt(): boolean {
    return this.#checkpoints.doubt !== null;
  }

  /** Everything up to `index` is applied. Returns whether that is a checkpoint. */
  applied(index: LogIndex): boolean {
    const { raft, registry } = this.#parts;
    if (index % this.#entries !== 0) {
      return false;
    }
    this.#checkpoints.applied(index, registry.digest(), raft.conf);
    this.#tellDoubt();
    this.#sendToAll();
    return true;
  }

  heard({ from, index, digest }: Checkpoint): void {
    this.#checkpoints.heard(from, index, digest, this.#parts.raft.conf);
    this.#tellDoubt();
  }

  /** The last checkpoint may have been lost with the link before. */
  linkUp(peer: MemberId): void {
    this.#send(peer);
  }

  /** The state was replaced by that of another member, as of `index`. */
  installed(index: LogIndex): void {
    this.#checkpoints.installed();
    this.applied(index);
  }

  /**
   * The last checkpoint is told again from time to time. Where nobody writes it stays the last one,
   * and a snapshot, or a doubt, may wait for what was lost or came too early: from one who was no
   * voter yet.
   */
  tick(): void {
    this.#checkpoints.tick(this.#parts.raft.conf);
    this.#tellDoubt();
    this.#endReturn();
    this.#ticksSinceTold += 1;
    if (this.#ticksSinceTold >= CHECKPOINT_REPEAT_TICKS) {
      this.#sendToAll();
    }
  }

  /** What of these outputs may leave: of what came of a state that is wrong, nothing. */
  passed(outputs: Output[]): Output[] {
    const { divergence } = this.#checkpoints;
    if (divergence === null) {
      return outputs;
    }
    const isTold = this.#isDivergenceTold;
    this.#isDivergenceTold = true;
    return isTold ? [] : [{ type: "diverged", divergence }];
  }

  /**
   * Who came back without its log is back when it has one that stands for it, and a majority had
   * its state at the last checkpoint before the end of the one or the other, or later.
   */
  #endReturn(): void {
    const { raft, emit } = this.#parts;
    if (raft.lostEnd === null || !raft.isRefilled) {
      return;
    }
    const { agreedIndex } = this.#checkpoints;
    const end = Math.min(raft.lostEnd.index, raft.lastIndex);
    if (agreedIndex < end - (end % this.#entries)) {
      return;
    }
    raft.endReturn();
    emit({ type: "notice", notice: { type: "returned", agreedIndex } });
  }

  #sendToAll(): void {
    this.#ticksSinceTold = 0;
    for (const { id } of this.#parts.raft.conf.members) {
      this.#send(id);
    }
  }

  #send(to: MemberId): void {
    const { raft, linksUp, emit } = this.#parts;
    const { id, term, conf } = raft;
    const { latest } = this.#checkpoints;
    if (latest !== null && to !== id && isVoterOf(conf, id) && linksUp.has(to)) {
      emit({ type: "send", message: { type: "checkpoint", from: id, to, term, ...latest } });
    }
  }

  #tellDoubt(): void {
    const { doubt } = this.#checkpoints;
    if (this.#isDoubtTold !== (doubt !== null)) {
      this.#isDoubtTold = doubt !== null;
      this.#parts.emit({ type: "notice", notice: { type: "doubt", doubt } });
    }
  }
}
