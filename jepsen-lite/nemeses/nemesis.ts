import type { World } from "../chaos/world.ts";
import type { Capability } from "../faults/capabilities.ts";
import type { Prng } from "../prng.ts";

/** What a nemesis works on. */
export type Ground = "processes" | "network" | "sockets" | "clients" | "members" | "clocks";

/** Something that disturbs a world, for as long as it is let. */
export interface Nemesis {
  readonly name: string;
  /** One sentence, for whoever chooses. */
  readonly doc: string;
  /** Of those of one ground one is at work at a time: the second would undo the first. */
  readonly on: Ground;
  /** Other grounds that it takes for itself. */
  readonly alsoOn?: readonly Ground[];
  /** Of the machine; without it, this nemesis is skipped. */
  readonly needs?: readonly Capability[];
  /** What it does, drawn from `prng`; null where there was nothing for it to do. */
  readonly strike: (world: World, prng: Prng) => Promise<Struck | null>;
}

export interface Struck {
  /** In words, with names. */
  readonly what: string;
  /** Undoes it. Resolves with what was seen of its effect; null: nothing, so it was in vain. */
  readonly end: () => Promise<Evidence | null>;
}

export interface Evidence {
  /** More than none. */
  readonly count: number;
  /** Of what, in the plural. */
  readonly unit: string;
}

export function seen(count: number, unit: string): Evidence | null {
  return count > 0 ? { count, unit } : null;
}
