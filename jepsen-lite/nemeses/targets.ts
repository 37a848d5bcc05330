import type { World } from "../chaos/world.ts";
import type { Prng } from "../prng.ts";
import type { NodeProcess } from "../real/node-process.ts";

/** Which nodes a nemesis takes: `primary` leads, by its own word, if anybody does. */
export const SELECTIONS = ["one", "primary", "minority", "majority", "all"] as const;

export async function selected(
  world: World,
  selection: (typeof SELECTIONS)[number],
  prng: Prng,
): Promise<readonly NodeProcess[]> {
  const nodes = prng.shuffled(world.nodes);
  const minority = Math.floor((nodes.length - 1) / 2);
  switch (selection) {
    case "one":
      return nodes.slice(0, 1);
    case "primary": {
      const primary = await primaryOf(world);
      return primary === null ? [] : [primary];
    }
    case "minority":
      return nodes.slice(0, minority);
    case "majority":
      return nodes.slice(0, minority + 1);
    default:
      return nodes;
  }
}

export async function primaryOf({ nodes }: World): Promise<NodeProcess | null> {
  const views = await Promise.all(
    nodes.map(async (node) => ({ node, view: node.isRunning ? await node.view() : null })),
  );
  const leading = views.filter(({ view }) => view?.role === "leader");
  leading.sort((a, b) => (b.view?.term ?? 0) - (a.view?.term ?? 0));
  return leading[0]?.node ?? null;
}

export function runningOf(nodes: readonly NodeProcess[]): NodeProcess[] {
  return nodes.filter(({ isRunning }) => isRunning);
}

/** Those that run, of a selection that is drawn. */
export async function someRunning(world: World, prng: Prng): Promise<NodeProcess[]> {
  return runningOf(await selected(world, prng.pick(SELECTIONS), prng));
}

export function namesOf(nodes: readonly NodeProcess[]): string {
  return nodes.map(({ name }) => name).join(", ");
}
