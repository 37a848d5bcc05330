import { REMOVALS_PER_COMMAND_MAX } from "../limits.ts";
import type { Raft } from "../raft/raft.ts";
import type { SessionEvent } from "../registry/change.ts";
import type { Command, Outcome } from "../registry/command.ts";
import type { Registry } from "../registry/registry.ts";
import { must, unreachable } from "../util/assert.ts";
import type { CommandCodec } from "./command-codec.ts";
import { Confirmations } from "./confirmations.ts";
import type { Intake } from "./disk-states.ts";
import { Leases } from "./leases.ts";
import type { Report, ReportConfirmed } from "./peer-messages.ts";

/**
 * What only a leader does beyond Raft, from the moment its no-op is applied until it stops being
 * leader: leases, the confirmation of reports, and going on with what ended sessions leave.
 */
export class LeaderDuties {
  readonly #raft: Raft;
  readonly #registry: Registry;
  readonly #codec: CommandCodec;
  readonly #leases: Leases;
  readonly #confirmations: Confirmations;
  /** Ended sessions for which a `reapSession` of this leader is on its way through the log. */
  readonly #reaping = new Set<string>();

  constructor(raft: Raft, registry: Registry, codec: CommandCodec, nowMs: number) {
    this.#raft = raft;
    this.#registry = registry;
    this.#codec = codec;
    this.#leases = new Leases(registry.sessions(), nowMs);
    this.#confirmations = new Confirmations(this.#leases);
  }

  report(report: Report): void {
    this.#confirmations.take(report, this.#raft.round);
  }

  tick(nowMs: number): void {
    this.#leases.tick(nowMs, this.#raft.round);
  }

  applied(command: Command, outcome: Outcome, events: readonly SessionEvent[]): void {
    if (command.type === "reapSession") {
      this.#reaping.delete(command.session);
    }
    const isDone = outcome.type === "applied" && outcome.reply.ok;
    if (command.type === "openSession" && isDone && events.length === 0) {
      this.#leases.openedAgain(command.session);
    }
    for (const event of events) {
      switch (event.type) {
        case "opened":
          this.#leases.opened(must(this.#registry.session(event.session)));
          break;
        case "ended":
          this.#leases.ended(event.session);
          break;
        case "reaped":
          break;
        default:
          unreachable(event);
      }
    }
  }

  /** Bound to this leader's term: an old leader's expiries end nobody. */
  commands(): readonly Uint8Array[] {
    const commands: Uint8Array[] = [];
    const { term } = this.#raft;
    for (
      let sessions = this.#leases.takeExpired(this.#raft.confirmedRound);
      sessions.length > 0;
      sessions = this.#leases.takeExpired(this.#raft.confirmedRound)
    ) {
      commands.push(this.#codec.encode({ type: "expireSessions", term, sessions }));
    }
    for (const session of this.#toReap()) {
      this.#reaping.add(session);
      commands.push(this.#codec.encode({ type: "reapSession", session }));
    }
    return commands;
  }

  /**
   * The next when the last are done, and no more of them than one command may remove: the pieces of
   * many large sessions in one entry would stall every node alike.
   */
  #toReap(): readonly string[] {
    const sessions: string[] = [];
    if (this.#reaping.size > 0) {
      return sessions;
    }
    let removals = 0;
    for (const session of this.#registry.endingSessions()) {
      removals += must(this.#registry.session(session)).owned;
      if (sessions.length > 0 && removals > REMOVALS_PER_COMMAND_MAX) {
        break;
      }
      sessions.push(session);
    }
    return sessions;
  }

  confirmations(intake: Intake): readonly ReportConfirmed[] {
    const { id, term, commitIndex, confirmedRound } = this.#raft;
    if (this.#confirmations.isUrgent && this.#raft.round === confirmedRound) {
      this.#raft.beginRound();
      this.#confirmations.roundBegun();
    }
    return this.#confirmations.confirmed(id, term, confirmedRound, commitIndex, intake);
  }
}
