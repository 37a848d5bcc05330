import { join } from "node:path";
import { afterEach, expect, it, vi } from "vitest";
import { openLevelStore } from "../../src/storage/level-store.ts";
import { deferred } from "../../src/util/deferred.ts";
import { Cluster } from "./world.ts";

/** A start makes the state of its snapshot when it is let. */
const gate = vi.hoisted(() => ({ reached: () => {}, opened: Promise.resolve() }));

vi.mock("../../src/server/stored-registry.ts", async (importOriginal) => {
  const original = await importOriginal<typeof import("../../src/server/stored-registry.ts")>();
  return {
    storedRegistry: async (...args: Parameters<typeof original.storedRegistry>) => {
      gate.reached();
      await gate.opened;
      return original.storedRegistry(...args);
    },
  };
});

let cluster: Cluster;

afterEach(() => cluster.close());

it("a node that is stopped while it starts ends when its start has, with 0, and serves nobody", async () => {
  cluster = await Cluster.started(1);
  await cluster.nodes.get("n1")?.stop();
  cluster.log.lines.length = 0;
  const [reached, opened] = [deferred<void>(), deferred<void>()];
  Object.assign(gate, { reached: reached.resolve, opened: opened.promise });
  const node = await cluster.start("n1");
  let isEnded = false;
  void node.ended.then(() => (isEnded = true));
  await reached.promise;
  const stopped = node.stop();
  await vi.waitFor(async () => {
    await (await openLevelStore(join(cluster.dataDir("n1"), "db"), { create: false })).close();
  });
  expect(isEnded).toBe(false);
  opened.resolve();
  await stopped;
  expect(await node.ended).toEqual({ exitCode: 0, error: null });
  const said = cluster.log.lines.map(({ message }) => message);
  expect(said.at(-1)).toBe("stopped");
  expect(said).not.toContain("serving");
});
