import type { Raft } from "../raft/raft.ts";
import type { MemberId, Term } from "../raft/types.ts";
import type { DiskStates } from "./disk-states.ts";
import type { Notice, TransferOutcome } from "./inputs.ts";

interface Handover {
  readonly to: MemberId;
  /** In which this node leads. */
  readonly term: Term;
}

/** Tells what becomes of the transfers of the leadership that begin here, whoever began them. */
export class Handovers {
  readonly #raft: Raft;
  readonly #disks: DiskStates;
  readonly #notice: (notice: Notice) => void;
  #current: Handover | null = null;

  constructor(raft: Raft, disks: DiskStates, notice: (notice: Notice) => void) {
    this.#raft = raft;
    this.#disks = disks;
    this.#notice = notice;
  }

  ask(to: MemberId | null): void {
    const start = this.#raft.transferLeadership(to ?? this.#disks.successor);
    if (!start.isStarted) {
      this.#tell(to, start.reason);
    }
  }

  /** To who has more room on its disk, where there is reason to. */
  tick(): void {
    const to = this.#disks.tick();
    if (to !== null) {
      this.ask(to);
    }
  }

  /** After every step of Raft. */
  observe(): void {
    const { transferTarget: to, term, role, leader } = this.#raft;
    if (this.#current === null && to !== null) {
      this.#current = { to, term };
      this.#tell(to, "started");
    }
    const current = this.#current;
    if (current === null || to !== null) {
      return;
    }
    if (role === "leader" && term === current.term) {
      this.#end(current, "abandoned");
    } else if (leader !== null && term > current.term) {
      this.#end(current, leader === current.to ? "done" : "superseded");
    }
  }

  #end({ to }: Handover, outcome: TransferOutcome): void {
    this.#current = null;
    this.#tell(to, outcome);
  }

  #tell(to: MemberId | null, outcome: TransferOutcome): void {
    this.#notice({ type: "leadershipTransfer", to, outcome });
  }
}
