import type { Raft } from "../raft/raft.ts";
import type { MemberId, Term } from "../raft/types.ts";
import type { Notice, TransferOutcome } from "./inputs.ts";

interface Handover {
  readonly to: MemberId;
  /** In which this node leads. */
  readonly term: Term;
}

/** Tells what becomes of the transfers of the leadership that begin here, whoever began them. */
export class Handovers {
  readonly #raft: Raft;
  readonly #notice: (notice: Notice) => void;
  #current: Handover | null = null;

  constructor(raft: Raft, notice: (notice: Notice) => void) {
    this.#raft = raft;
    this.#notice = notice;
  }

  ask(to: MemberId | null): void {
    const start = this.#raft.transferLeadership(to);
    if (!start.isStarted) {
      this.#tell(to, start.reason);
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
