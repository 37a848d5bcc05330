import type { Entry } from "../raft/types.ts";
import type { Change } from "../registry/change.ts";
import type { Command } from "../registry/command.ts";
import type { EntryContext, Registry } from "../registry/registry.ts";
import { unreachable } from "../util/assert.ts";
import type { Attachments } from "./attachments.ts";
import type { ClientRequests } from "./client-requests.ts";
import type { CommandCodec } from "./command-codec.ts";
import type { Emit } from "./connections.ts";
import type { LeaderDuties } from "./leader-duties.ts";
import type { Now } from "./now.ts";
import type { Watches } from "./watches.ts";

interface Parts {
  readonly registry: Registry;
  readonly codec: CommandCodec;
  readonly clients: ClientRequests;
  readonly attachments: Attachments;
  readonly watches: Watches;
  readonly emit: Emit;
}

/** Carries out the commands of the log, and tells everybody whom it concerns what came of them. */
export class Applier {
  readonly #parts: Parts;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** `duties`: null where this member does not lead. */
  apply(entry: Entry, duties: LeaderDuties | null, now: Now): void {
    switch (entry.kind) {
      case "noop":
      // Who is a member is Raft's own affair; the registry does not know of it.
      case "conf":
        break;
      case "commands":
        this.#batch(entry, duties, now);
        break;
      default:
        unreachable(entry.kind);
    }
  }

  #batch({ index, term, data }: Entry, duties: LeaderDuties | null, now: Now): void {
    const { atMs, commands } = this.#parts.codec.decodeBatch(data);
    const context = { index, term, atMs };
    const applied: Change[] = [];
    for (const command of commands) {
      for (const change of this.#command(context, command, duties, now)) {
        applied.push(change);
      }
    }
    if (applied.length > 0) {
      this.#parts.emit({ type: "notice", notice: { type: "applied", index, changes: applied } });
    }
  }

  #command(
    context: EntryContext,
    command: Command,
    duties: LeaderDuties | null,
    now: Now,
  ): readonly Change[] {
    const { registry, clients, attachments, watches, emit } = this.#parts;
    const { outcome, changes, sessionEvents } = registry.apply(context, command);
    clients.applied(command, outcome, now);
    duties?.applied(command, outcome, sessionEvents);
    for (const event of sessionEvents) {
      if (event.type === "ended") {
        const { session, reason, revision } = event;
        attachments.ended(session, reason, revision, now.monotonicMs);
        clients.ended(session);
        emit({ type: "notice", notice: { type: "sessionEnded", session, reason, revision } });
      }
    }
    if (changes.length > 0) {
      watches.applied(changes);
    }
    return changes;
  }
}
