import type { Registry } from "./registry.ts";

/** Where in the log the state stands with which a new lineage begins. */
export interface LineageStart {
  readonly index: number;
  readonly term: number;
  /** Added to the revision: more than anybody can have seen of the lineage before. */
  readonly revisions: number;
  /** Else all that live end, with what they own. */
  readonly areSessionsKept: boolean;
}

/**
 * Makes a state the first one of a new lineage (design section 8). Who goes on with a session of
 * before numbers its writes from 1 again: what it had written since this state was another history.
 *
 * The sessions that end do so as by any command, so that their tombstones are there: an opening of
 * theirs that comes late finds out.
 */
export function beginLineage(registry: Registry, start: LineageStart): void {
  const { index, term, revisions, areSessionsKept } = start;
  registry.beginLineage(revisions);
  if (areSessionsKept) {
    return;
  }
  const context = { index, term, atMs: 0 };
  const sessions = [...registry.sessions()]
    .filter(({ ending }) => ending === null)
    .map(({ id }) => ({ session: id, reason: "killed" as const }));
  registry.apply(context, { type: "expireSessions", term, sessions });
  for (const session of registry.endingSessions()) {
    while (registry.session(session) !== null) {
      registry.apply(context, { type: "reapSession", session });
    }
  }
}
