import type { ReadCall } from "./history.ts";
import type { Prng } from "./prng.ts";

/** What the clients of a history ask for, in a simulated world and in a real one. */

/** `floorRevision`: the highest that the client has seen. */
export function drawReadMode(prng: Prng, floorRevision: number): ReadCall["mode"] {
  return prng.pick([
    { type: "linearizable" },
    { type: "linearizable" },
    { type: "atLeast", revision: floorRevision },
    { type: "stale", maxAgeMs: null },
    { type: "stale", maxAgeMs: prng.pick([200, 1_000]) },
  ] as const);
}

/** Of the keys that anybody may update; of others only whoever put them changes anything. */
export const UPDATED_PROTOCOL = "http";

export interface DrawnKey {
  readonly namespace: string;
  readonly application: string;
  readonly protocol: string;
  readonly addr: string;
}

export interface KeySpace {
  readonly client: string;
  readonly applications: readonly string[];
  /** Of one client in one application. */
  readonly addresses: number;
  /** Per mille: of a key that all clients write. */
  readonly sharedChance: number;
}

/** Per mille: of a write of two keys. */
const PAIR_CHANCE = 150;

/** Mostly the client's own; of two, the second is another one. */
export function drawKeys(prng: Prng, space: KeySpace): DrawnKey[] {
  const owner = prng.chance(space.sharedChance) ? "shared" : space.client;
  const first = prng.below(space.addresses);
  const places = prng.chance(PAIR_CHANCE) ? [first, (first + 1) % space.addresses] : [first];
  return places.map((place) => ({
    namespace: "default",
    application: prng.pick(space.applications),
    protocol: UPDATED_PROTOCOL,
    addr: `${owner}.example:${1_000 + place}`,
  }));
}
