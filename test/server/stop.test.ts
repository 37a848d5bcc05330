import { createConnection } from "node:net";
import { join } from "node:path";
import { afterEach, describe, expect, it, vi } from "vitest";
import type { Timers } from "../../src/env/env.ts";
import { nodeTimers } from "../../src/env/node-env.ts";
import { startHealed } from "../../src/server/healing.ts";
import type { MemberOptions } from "../../src/server/member-options.ts";
import type { DataDirectory } from "../../src/storage/directory.ts";
import { openLevelStore } from "../../src/storage/level-store.ts";
import { deferred } from "../../src/util/deferred.ts";
import { birthOf } from "../storage/fixture.ts";
import { damaged, environment, serve, twin } from "./healing-world.ts";
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

/** As often as another process is kept out in a row. */
const TRIES = 20;

function isRefused(address: string): Promise<boolean> {
  const [host = "", port] = address.split(":");
  return new Promise((resolve) => {
    const socket = createConnection({ host, port: Number(port) });
    socket.on("connect", () => resolve(false)).on("error", () => resolve(true));
    socket.on("connect", () => socket.destroy());
  });
}

describe("a node that is stopped while it starts", () => {
  let cluster: Cluster;

  afterEach(() => cluster.close());

  it("lets nobody in before its start has ended, ends with 0, leaves no timer, and serves nobody", async () => {
    cluster = await Cluster.started(1);
    await cluster.nodes.get("n1")?.stop();
    cluster.log.lines.length = 0;
    const [reached, opened] = [deferred<void>(), deferred<void>()];
    Object.assign(gate, { reached: reached.resolve, opened: opened.promise });
    const periodic = new Set<object>();
    const timers: Timers = {
      ...nodeTimers,
      every: (periodMs, run) => {
        const timer = nodeTimers.every(periodMs, run);
        const one = {
          cancel: () => {
            timer.cancel();
            periodic.delete(one);
          },
        };
        periodic.add(one);
        return one;
      },
    };
    const node = await cluster.start("n1", {}, { timers });
    let isEnded = false;
    void node.ended.then(() => (isEnded = true));
    await reached.promise;
    const stopped = node.stop();
    await vi.waitFor(async () => expect(await isRefused(cluster.address("n1"))).toBe(true));
    const database = join(cluster.dataDir("n1"), "db");
    for (let tries = 0; tries < TRIES; tries += 1) {
      await expect(openLevelStore(database, { create: false })).rejects.toMatchObject({
        code: "LOCKED",
      });
    }
    expect(isEnded).toBe(false);
    opened.resolve();
    await stopped;
    expect(await node.ended).toEqual({ exitCode: 0, error: null });
    await (await openLevelStore(database, { create: false })).close();
    expect(periodic.size).toBe(0);
    const said = cluster.log.lines.map(({ message }) => message);
    expect(said.at(-1)).toBe("stopped");
    expect(said).not.toContain("serving");
  });
});

describe("a member whose log is whole again when it is stopped", () => {
  async function healed(on: { onClose?: () => void; onReopen?: () => void }, signal: AbortSignal) {
    const peer = await twin();
    const place = await serve(() => ({ source: peer.source, lineage: "c.1", leader: null }));
    const { directory, damage } = await damaged();
    const opened: string[] = [];
    const directoryAt = (name: string, one: Partial<DataDirectory>) => ({
      ...{ path: directory.path, salvage: () => directory.salvage(signal), ...one },
      close: async () => on.onClose?.(),
      open: async () => {
        opened.push(name);
        throw damage;
      },
    });
    const options = {
      ...environment(),
      ...{ name: "n1", birth: { ...birthOf(directory), clusterId: "c", epoch: 1 }, signal },
      addresses: { told: () => {}, names: [], dialable: () => [place] },
      directory: directoryAt("damaged", {}),
    } as unknown as MemberOptions;
    const member = await startHealed(options, {
      onHealing: () => {},
      reopen: async () => {
        opened.push("reopened");
        on.onReopen?.();
        return directoryAt("again", {}) as unknown as DataDirectory;
      },
    });
    return { member, opened };
  }

  it("does not open its directory again", async () => {
    const abort = new AbortController();
    const { member, opened } = await healed({ onClose: () => abort.abort() }, abort.signal);
    expect(member).toBeNull();
    expect(opened).toEqual(["damaged"]);
  });

  it("does not start on it where that is open again", async () => {
    const abort = new AbortController();
    const { member, opened } = await healed({ onReopen: () => abort.abort() }, abort.signal);
    expect(member).toBeNull();
    expect(opened).toEqual(["damaged", "reopened"]);
  });
});
