import { expect, test } from "vitest";
import type { World } from "../../jepsen-lite/chaos/world.ts";
import type { NodeProcess } from "../../jepsen-lite/real/node-process.ts";
import { until } from "../../jepsen-lite/real/wait.ts";
import { startedWorld } from "./built-harness.ts";

const MS_MAX = 240_000;
const COME_ABOUT_MS = 40_000;
const REMOVED = 78;

/** In what order they are listed is nobody's promise. */
async function voters({ members }: World): Promise<string[]> {
  const listed = (await members.listed()) ?? [];
  return listed
    .filter(({ membership }) => membership === "voter")
    .map(({ name }) => name)
    .sort();
}

function isLinked({ edges }: World): boolean {
  return edges.names.every((from) =>
    edges.names.every(
      (to) => from === to || (edges.between(from, to)?.connections.length ?? 0) > 0,
    ),
  );
}

test(
  "three nodes of the harness become five and three again, killed meanwhile, and clients follow",
  async () => {
    const world = await startedWorld(5);
    const { members, edges, population } = world;
    const [n1] = world.nodes as readonly [NodeProcess];

    // One that is to vote by itself, and one that is promoted.
    await members.join(false);
    await members.join(true);
    await world.kill(n1);
    world.revive(n1);
    await members.settle();
    expect(await voters(world)).toEqual(["n1", "n2", "n3", "n4", "n5"]);
    await until(COME_ABOUT_MS, "a link for each ordered pair", async () =>
      isLinked(world) ? true : null,
    );

    const clientsOf = (name: string): number => edges.clientConnections(name).length;
    const clients = population.providers.length + population.watchers.length;
    await until(COME_ABOUT_MS, "clients on the new ones", async () => {
      edges.resetAll();
      await until(COME_ABOUT_MS, "all clients to be back", async () =>
        edges.names.reduce((sum, name) => sum + clientsOf(name), 0) >= clients ? true : null,
      );
      return clientsOf("n4") > 0 && clientsOf("n5") > 0 ? true : null;
    });

    // Who leads, and one that is down and hears of it when it comes back.
    const leader = await world.cluster.leader(world.nodes);
    const dead = world.nodes.find((node) => node !== leader) as NodeProcess;
    for (const node of [leader, dead]) members.condemn(node);
    await world.kill(dead);
    await members.settle();
    const left = world.nodes.map(({ name }) => name).sort();
    expect(left).toHaveLength(3);
    expect(await voters(world)).toEqual(left);
    expect([leader.exitCode, dead.exitCode]).toEqual([REMOVED, REMOVED]);
    expect([...edges.names].sort()).toEqual(left);
    expect(edges.clientUrls).toEqual(edges.names.map((name) => edges.clientUrl(name)));

    for (const provider of population.providers) provider.quiesce();
    await until(COME_ABOUT_MS, "every provider to be answered", async () =>
      population.providers.every(({ isSettled }) => isSettled) ? true : null,
    );
    await world.cluster.settled(world.nodes);
    expect(world.strange).toEqual([]);
    expect(world.cluster.leaderships.faults).toEqual([]);
  },
  MS_MAX,
);
