import type { World } from "../chaos/world.ts";
import type { Prng } from "../prng.ts";

/** Something that disturbs a world, for as long as it is let. */
export interface Nemesis {
  readonly name: string;
  /** One sentence, for whoever chooses. */
  readonly doc: string;
  /** What it works on. Of those of one kind one is at work at a time: the second would undo the first. */
  readonly on: "processes" | "network" | "sockets" | "clients";
  /** What it does, drawn from `prng`; null where there was nothing for it to do. */
  readonly strike: (world: World, prng: Prng) => Promise<Struck | null>;
}

export interface Struck {
  /** In words, with names. */
  readonly what: string;
  /** Undoes it. */
  readonly end: () => Promise<void>;
}
