import type { Targets } from "./fault-drawing.ts";
import type { World } from "./world.ts";

/** What there is in a world at the moment at which it is looked at. */
export function targetsIn(
  world: World,
  clients: readonly { readonly name: string }[],
  watchers: readonly { readonly name: string }[],
): Targets {
  return {
    clients: clients.map(({ name }) => name),
    watchers: watchers.map(({ name }) => name),
    get nodes() {
      return world.standing.map(({ id }) => id);
    },
    get leader() {
      return world.leaders.at(-1)?.id ?? null;
    },
    get leaders() {
      return world.leaders.map(({ id }) => id);
    },
    get conf() {
      return world.leaders.at(-1)?.status()?.conf ?? world.configurations.latest;
    },
    isBroken: (id) => {
      const node = world.node(id);
      return !node.isUp || node.isPaused || world.network.isCutOff(id);
    },
    get removed() {
      const { configurations } = world;
      return world.standing
        .map(({ id }) => id)
        .filter((id) => configurations.wasRemoved(id) && !configurations.isMember(id));
    },
    get nextId() {
      return `n${world.nodes.length + 1}`;
    },
  };
}
