import type { Freezer } from "../faults/freezer.ts";
import type { Scenario, World } from "../real/campaign.ts";
import type { Machine } from "../real/machines.ts";
import { say } from "../real/run.ts";
import { descriptors } from "./descriptors.ts";
import { frozen } from "./frozen.ts";
import { readError } from "./read-error.ts";
import { readOnly } from "./read-only.ts";
import { slowSync } from "./slow-sync.ts";
import { all, alone, follower, leader, type Whose } from "./targets.ts";
import { writeError } from "./write-error.ts";

/** A way for a disk to fail. */
interface Kind {
  readonly name: string;
  readonly whose: readonly Whose[];
  /** Resolves with what was done, in a few words. */
  readonly fault: (machines: readonly Machine[], world: World, tools: Tools) => Promise<string>;
}

export interface Tools {
  readonly freezer: Freezer;
  /** The longest that a disk stands still. */
  readonly frozenMsMax: number;
}

export const kinds: readonly Kind[] = [
  { name: "write-error", whose: [alone, follower, leader], fault: writeError },
  { name: "read-error", whose: [alone, follower], fault: readError },
  { name: "slow-sync", whose: [follower, leader, all], fault: slowSync },
  {
    name: "frozen",
    whose: [follower, leader, all],
    fault: (machines, world, { freezer, frozenMsMax }) =>
      frozen(freezer, frozenMsMax, machines, world),
  },
  { name: "read-only", whose: [alone, follower, leader], fault: readOnly },
  { name: "descriptors", whose: [follower, leader], fault: descriptors },
];

/** What `--only` may name, with the scenarios that it stands for. */
export const names: ReadonlyMap<string, readonly string[]> = new Map(
  kinds.flatMap(({ name, whose }): [string, string[]][] => {
    const scenarios = whose.map((of) => nameOf(name, of));
    return [[name, scenarios], ...scenarios.map((of): [string, string[]] => [of, [of]])];
  }),
);

/** One for each kind and each disk that it can hit. */
export function scenariosWith(tools: Tools): readonly Scenario[] {
  return kinds.flatMap(({ name, whose, fault }) =>
    whose.map((of) => ({
      name: nameOf(name, of),
      nodes: of.nodes,
      round: async (world) => {
        say(`${nameOf(name, of)}: ${await fault(await of.of(world), world, tools)}`);
      },
    })),
  );
}

function nameOf(kind: string, { name }: Whose): string {
  return `${kind}-${name}`;
}
