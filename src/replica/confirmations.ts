import type { LogIndex, MemberId, Term } from "../raft/types.ts";
import { unreachable } from "../util/assert.ts";
import type { Intake } from "./disk-states.ts";
import type { Leases } from "./leases.ts";
import type { AttachedSession, Origin, Report, ReportConfirmed } from "./peer-messages.ts";

interface WaitingReport {
  readonly report: Report;
  readonly refused: readonly string[];
  readonly superseded: readonly AttachedSession[];
  /** It counts once this round, begun after it came, has succeeded. */
  readonly afterRound: number;
}

/** Reports of one node that wait for a round; a later one covers what an earlier one said. */
const WAITING_PER_NODE_MAX = 8;

/** The leader's side of reports: taken at once, confirmed through a quorum round. */
export class Confirmations {
  readonly #leases: Leases;
  readonly #waiting = new Map<MemberId, WaitingReport[]>();
  /** The latest report of each node. */
  readonly #latest = new Map<MemberId, { readonly start: number; readonly counter: number }>();
  #isUrgent = false;

  constructor(leases: Leases) {
    this.#leases = leases;
  }

  /** Somebody waits for a round that has not begun yet. */
  get isUrgent(): boolean {
    return this.#isUrgent;
  }

  roundBegun(): void {
    this.#isUrgent = false;
  }

  /** `round`: the latest begun. */
  take(report: Report, round: number): void {
    // A late copy would give a dead session time, or break again what was taken back since.
    const latest = this.#latest.get(report.from);
    if (latest?.start === report.start && report.counter <= latest.counter) {
      return;
    }
    this.#latest.set(report.from, { start: report.start, counter: report.counter });
    const origin: Origin = { from: report.from, start: report.start };
    const refused: string[] = [];
    const superseded: AttachedSession[] = [];
    for (const touch of report.touches) {
      const touched = this.#leases.touch(touch, origin);
      switch (touched.type) {
        case "taken":
          break;
        case "refused":
          refused.push(touch.session);
          break;
        case "superseded":
          superseded.push({ session: touch.session, attach: touched.attach });
          break;
        default:
          unreachable(touched);
      }
    }
    for (const broken of report.breaks) {
      this.#leases.break(broken, origin);
    }
    this.#isUrgent ||= report.isUrgent;
    const waiting = this.#waiting.get(report.from) ?? [];
    this.#waiting.set(report.from, waiting);
    if (waiting.length === WAITING_PER_NODE_MAX) {
      waiting.splice(WAITING_PER_NODE_MAX - 1, 1);
    }
    waiting.push({ report, refused, superseded, afterRound: round + 1 });
  }

  /** One answer a node: of the latest report that the round covers. */
  confirmed(
    from: MemberId,
    term: Term,
    confirmedRound: number,
    commitIndex: LogIndex,
    intake: Intake,
  ): readonly ReportConfirmed[] {
    const answers: ReportConfirmed[] = [];
    for (const [node, waiting] of this.#waiting) {
      let latest: WaitingReport | null = null;
      while (waiting[0] !== undefined && waiting[0].afterRound <= confirmedRound) {
        latest = waiting.shift() ?? null;
      }
      if (latest !== null) {
        const { start, counter, sentAtMs } = latest.report;
        answers.push({
          type: "reportConfirmed",
          from,
          to: node,
          term,
          start,
          counter,
          sentAtMs,
          commitIndex,
          refused: latest.refused,
          superseded: latest.superseded,
          intake,
        });
      }
    }
    return answers;
  }
}
