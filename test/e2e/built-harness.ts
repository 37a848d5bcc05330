import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { onTestFinished } from "vitest";
import type { World } from "../../jepsen-lite/chaos/world.ts";
import { Prng } from "../../jepsen-lite/prng.ts";
import { temporaryDirectory } from "../storage/fixture.ts";
import { BIN } from "./cluster.ts";

/** As built, with the module that its nodes are started with. */
export async function built<T>(path: string): Promise<T> {
  const dist = fileURLToPath(new URL("../../dist/jepsen-lite/", import.meta.url));
  return (await import(pathToFileURL(join(dist, path)).href)) as T;
}

/** Three nodes that need snapshots soon, and clients; all of it ends with the test. */
export async function startedWorld(seed: number): Promise<World> {
  const { World } =
    await built<typeof import("../../jepsen-lite/chaos/world.ts")>("chaos/world.js");
  const { SNAPSHOT_BOUNDS } =
    await built<typeof import("../../jepsen-lite/chaos/run.ts")>("chaos/run.js");
  const { Footing } =
    await built<typeof import("../../jepsen-lite/chaos/footing.ts")>("chaos/footing.js");
  const directory = await temporaryDirectory();
  const footing = await Footing.make({
    ...{ directory, names: ["n1", "n2", "n3"], prng: new Prng(seed, 3) },
    // Those that need something of the machine have a test of their own.
    ...{ capabilities: new Map(), needed: new Set<never>(), freezerPath: "" },
  });
  const world = await World.make({
    ...{ bin: BIN, nodes: 3, providers: 6, watchers: 6, operationMs: 12, footing },
    ...{ snapshotBounds: SNAPSHOT_BOUNDS, directory, prng: new Prng(seed), keep: () => {} },
  });
  onTestFinished(() => world.close());
  await world.start();
  return world;
}
