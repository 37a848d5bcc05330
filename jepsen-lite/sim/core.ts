import type { Prng } from "../prng.ts";
import type { Core, CoreRest } from "./fault.ts";
import { isQuorum } from "./quorums.ts";
import type { World } from "./world.ts";

const RESTS: readonly CoreRest[] = ["down", "deaf", "mute", "isolated", "stalling"];

/**
 * A random minority of the members, and how each of it is broken: as many as can be missing in every
 * configuration that is in force anywhere and could still decide something. All of them are up.
 */
export function drawCore({ members, standing }: World, prng: Prng): Core {
  const up = new Set(standing.map(({ id }) => id));
  const confs = members
    .map((node) => node.status()?.conf)
    .filter((conf) => conf !== undefined)
    .filter((conf) => isQuorum(conf, (id) => up.has(id)));
  const rest: string[] = [];
  for (const { id: next } of prng.shuffled(members)) {
    const isWhole = (id: string): boolean => up.has(id) && id !== next && !rest.includes(id);
    if (confs.every((conf) => isQuorum(conf, isWhole))) {
      rest.push(next);
    }
  }
  return rest.map((node) => ({ node, how: prng.pick(RESTS) }));
}
