import type { Nemesis } from "../nemeses/nemesis.ts";
import { NEMESES } from "./plan.ts";

/** What a run is disturbed by, under one name. */
export interface Scenario {
  readonly name: string;
  readonly doc: string;
  readonly nemeses: readonly Nemesis[];
}

export const DEFAULT_SCENARIO = "mixed";

export const SCENARIOS: readonly Scenario[] = [
  { name: DEFAULT_SCENARIO, doc: "Everything that this machine allows.", nemeses: NEMESES },
  ...kinds("processes", "Nodes die, stand still, stutter, and are restarted in turn."),
  ...kinds("network", "What nodes send each other is cut, late, or damaged."),
  ...kinds("sockets", "Connections break, clients go unheard, leaders hand over."),
  ...kinds("members", "Nodes join, are removed and replaced, and lead by name."),
  ...kinds("clients", "Providers die or stand still; the nodes are let be."),
];

function kinds(on: Nemesis["on"], doc: string): Scenario[] {
  return [{ name: on, doc, nemeses: NEMESES.filter((nemesis) => nemesis.on === on) }];
}

/** Null where there is none of that name. */
export function scenarioOf(name: string): Scenario | null {
  return SCENARIOS.find((scenario) => scenario.name === name) ?? null;
}
