import { eventsOf, type KeyAct, type KeyHistory, keyHistories } from "./key-acts.ts";
import { type Result, search } from "./linearizable.ts";
import type { Recorded } from "./recorded.ts";
import type { Finding, RefereeCounts } from "./verdict.ts";
import { nameOf } from "./windows.ts";

/** Of one key. Those of real runs have taken one or two steps for each act. */
const STEPS_MAX = 2_000_000;

export interface Refereed extends RefereeCounts {
  readonly findings: readonly Finding[];
}

/**
 * The second opinion on linearizability: it believes no revision, and searches for a row of
 * operations, key by key. What it does not see stands at `keyHistories`.
 */
export function referee(recorded: Recorded, stepsMax = STEPS_MAX): Refereed {
  const findings: Finding[] = [];
  const unknown: RefereeCounts["unknown"][number][] = [];
  const counts = { keys: 0, acts: 0, steps: 0 };
  for (const history of keyHistories(recorded)) {
    const { key, acts, model } = history;
    const result = search(acts, model, stepsMax);
    counts.keys += 1;
    counts.acts += acts.length;
    counts.steps += result.steps;
    if (result.outcome === "no") {
      findings.push(findingOf(history, result));
    }
    if (result.outcome === "unknown") {
      unknown.push({ key, steps: result.steps });
    }
  }
  return { findings, ...counts, unknown };
}

function findingOf(
  { key, acts, model }: KeyHistory,
  { stuck, states }: Result<KeyAct> & { readonly outcome: "no" },
): Finding {
  const shownThere = states.map((state) => model.shown(state));
  const held = shownThere.map((each) => model.contentOf(each) ?? "nothing").join(" or ");
  // It cannot go before what is still to be shown.
  const shown = acts.find(
    ({ awaits, call }) => awaits !== null && shownThere.includes(awaits) && call > stuck.return,
  );
  const later = shown === undefined ? "" : `, and then comes ${said(shown)}`;
  const what = `${key}: no order of ${acts.length} acts has ${said(stuck)}: where that would come, the key holds ${held}${later}`;
  const makers = acts.filter(({ makes }) => makes !== null && shownThere.includes(makes));
  const events = [stuck, ...makers, ...(shown === undefined ? [] : [shown])].flatMap(eventsOf);
  return { checker: "referee", promise: "Linearizable", what, events };
}

function said({ kind, operation, session, content }: KeyAct): string {
  const call = operation?.call;
  const who =
    call?.kind === "write"
      ? nameOf({ call })
      : (operation?.process ?? `session ${session?.id.slice(0, 8)}`);
  switch (kind) {
    case "put":
      return `the put of ${content} by ${who}`;
    case "update":
      return `the change to ${content} by ${who}`;
    case "remove":
      return `the removal by ${who}`;
    case "refused":
      return `the refusal (TAKEN_OVER) of ${who}`;
    case "absent":
      return `the refusal (NOT_FOUND) of ${who}`;
    case "present":
      return `the refusal (CONFLICT) of ${who}`;
    case "read":
      return `a read of ${who} that shows ${content ?? "nothing"}`;
    case "end":
      return `the end of ${who}`;
  }
}
