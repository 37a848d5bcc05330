import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { until } from "../../jepsen-lite/real/wait.ts";
import {
  connect,
  type Registration,
  type RollcallClient,
  type RollcallError,
  type Status,
} from "../../src/client/index.ts";
import type { DiskState } from "../../src/replica/disk-states.ts";
import { blocksOf, commandsOf, readPage } from "../docs/page.ts";
import { Cluster, type ClusterNode, rollcall } from "./cluster.ts";
import { SmallDisks } from "./small-disks.ts";

const MIB = 2 ** 20;
const LOW = 100 * MIB;
const FULL = 50 * MIB;
const RESERVE = 8 * MIB;
const FLAGS = ["--disk-low", "100MiB", "--disk-full", "50MiB", "--disk-reserve", "8MiB"];
/** Above the one mark and below the other, and below both. */
const LEAVES = { low: LOW - 10 * MIB, full: FULL - 10 * MIB } as const;
const TTL_MS = 3_000;
const MS_MAX = 20_000;
/** A refusal that waits for no deadline. */
const AT_ONCE_MS = 1_000;

const missing = await SmallDisks.missing();
if (missing !== null) console.info(`skipped: disks that fill up need ${missing}`);

describe.skipIf(missing !== null)("disks that fill up", () => {
  let cluster: Cluster;
  let disks: SmallDisks;
  let client: RollcallClient;
  /** One that lives as long as the test, and what it was told of its session. */
  let provider: RollcallClient;
  let kept: Registration;
  const told: Status[] = [];
  let addrs = 0;

  beforeAll(async () => {
    cluster = await Cluster.start(async (directory, names) => {
      disks = await SmallDisks.make(directory, names);
      return { flags: FLAGS, enter: disks.enter };
    });
    client = await connect({ servers: cluster.urls });
    provider = await connect({ servers: cluster.urls, ttlMs: TTL_MS });
    void (async () => {
      for await (const status of provider.status()) told.push(status);
    })();
    kept = await provider.provider.register({ application: "kept", protocol: "http", addr: "k:1" });
  });

  afterAll(async () => {
    await Promise.all([client.close(), provider.close()]);
    await cluster.stop();
    await disks.remove();
  });

  const register = (): Promise<Registration> => {
    addrs += 1;
    return client.provider.register({ application: "a", protocol: "http", addr: `a:${addrs}` });
  };

  async function refused(write: Promise<unknown>): Promise<void> {
    const startedMs = performance.now();
    const error = await write.then(
      () => null,
      (refusal: RollcallError) => refusal,
    );
    expect(error).toMatchObject({ code: "DISK_LOW", definite: true });
    expect(performance.now() - startedMs).toBeLessThan(AT_ONCE_MS);
  }

  /** Of each node: what its disk is said to be, and everybody else knows. */
  async function states(of: Readonly<Record<string, DiskState>>, intake: string): Promise<void> {
    await until(MS_MAX, `disks that are ${JSON.stringify(of)}, and ${intake} taken`, async () => {
      const statuses = await Promise.all(cluster.nodes.map((node) => node.status()));
      const isSo = statuses.every(
        (status) =>
          status !== null &&
          status.diskState === (of[status.name] ?? "ok") &&
          status.intake === intake,
      );
      return isSo ? true : null;
    });
  }

  /** Who lacks something when its disk becomes full is of no use to its clients any more. */
  async function allHaveIt(): Promise<void> {
    await until(MS_MAX, "all to have applied the same", async () => {
      const statuses = await Promise.all(cluster.nodes.map((node) => node.status()));
      return new Set(statuses.map((status) => status?.applied)).size === 1 ? true : null;
    });
  }

  async function fill(node: ClusterNode, state: "low" | "full"): Promise<void> {
    await disks.leave(node.name, LEAVES[state]);
  }

  async function backToNormal(): Promise<void> {
    for (const { name } of cluster.nodes) await disks.release(name);
    await states({}, "all");
    await cluster.leader();
    await register();
  }

  /** Nobody has been restarted, and the lease of the provider was renewed all the time. */
  function nothingHappened(): void {
    expect(cluster.nodes.every((node) => node.isRunning)).toBe(true);
    const lost = told.filter(
      (status) =>
        status.type === "sessionExpired" ||
        (status.type === "sessionUnconfirmed" && status.isLeaseOver),
    );
    expect([lost, kept.state.tag]).toEqual([[], "registered"]);
  }

  test("of a follower: the others go on, and it catches up when there is room", async () => {
    const leader = await cluster.leader();
    const [follower] = await cluster.followers();
    await fill(follower, "full");
    await states({ [follower.name]: "full" }, "all");
    const before = (await follower.status())?.lastIndex;
    await register();
    expect((await follower.status())?.lastIndex).toBe(before);
    expect((await cluster.leader()).name).toBe(leader.name);
    await disks.release(follower.name);
    await states({}, "all");
    await allHaveIt();
    nothingHappened();
  });

  test.for(["low", "full"] as const)("of the leader (%s): another one leads", async (state) => {
    const former = await cluster.leader();
    await fill(former, state);
    await until(MS_MAX, "another leader", async () => {
      const { leader } = (await former.status()) ?? {};
      return leader != null && leader !== former.name ? true : null;
    });
    await states({ [former.name]: state }, "all");
    await register();
    await backToNormal();
    nothingHappened();
  });

  test("of all three: nothing is taken, reads and renewals go on, nobody expires", async () => {
    const leader = await cluster.leader();
    const removable = await register();
    await allHaveIt();
    for (const node of cluster.nodes) await fill(node, "full");
    await states({ n1: "full", n2: "full", n3: "full" }, "nothing");
    await refused(register());
    await refused(kept.update({ weight: 7 }));
    // One that has no session yet.
    const late = await connect({ servers: cluster.urls });
    await refused(late.provider.register({ application: "late", protocol: "http", addr: "l:1" }));
    await late.close();
    const until = performance.now() + 2 * TTL_MS;
    while (performance.now() < until) {
      const read = await client.consumer.get("kept", { read: "linearizable" });
      expect(read.instances.map(({ addr }) => addr)).toEqual(["k:1"]);
    }
    expect(provider.state.session.tag).toBe("open");
    nothingHappened();
    expect(await pageSays()).toMatchObject({ code: 1, isAsPrinted: true });
    for (const node of cluster.nodes) {
      expect(await node.readiness()).toMatchObject({
        isReady: true,
        text: expect.stringContaining("[+]disk ok: the disk is full"),
      });
    }
    expect((await cluster.leader()).name).toBe(leader.name);

    // Now with some room: what takes away is taken.
    for (const node of cluster.nodes) await disks.leave(node.name, FULL * 1.25 + 10 * MIB);
    await states({ n1: "low", n2: "low", n3: "low" }, "removals");
    await refused(register());
    await removable.deregister();
    const { instances } = await client.consumer.get("a", { read: "linearizable" });
    expect(instances.map(({ addr }) => addr)).not.toContain(removable.key.addr);
    await backToNormal();
    expect(await pageSays()).toMatchObject({ code: 0 });
    nothingHappened();
  });

  /** The commands of docs/operations.md, and whether the last says what is printed there. */
  async function pageSays(): Promise<{ code: number | null; isAsPrinted: boolean }> {
    const blocks = blocksOf(readPage("docs/operations.md"));
    const at = blocks.findIndex(({ mark }) => mark === "full-disk");
    const [commands, printed] = [blocks[at], blocks[at + 1]];
    if (commands === undefined || printed === undefined) throw new Error("no such block");
    let said: Awaited<ReturnType<typeof rollcall>> | null = null;
    for (const command of commandsOf(commands)) {
      const env = { ROLLCALL_SERVER: cluster.urls.join(",") };
      said = await rollcall(command.split(" ").slice(1), env);
    }
    const lines = printed.text.trim().replace("n2 (full)", "n1 (full), n2 (full)").split("\n");
    return {
      code: said?.code ?? null,
      isAsPrinted: lines.every((line) => said?.out.split("\n").includes(line) === true),
    };
  }

  test("not a block is left: a node starts none the less, by what it has kept", async () => {
    const [node] = await cluster.followers();
    await until(MS_MAX + 20_000, "the reserve", async () =>
      (await reserveBytes(node)) === RESERVE ? true : null,
    );
    await fill(node, "full");
    await states({ [node.name]: "full" }, "all");
    await disks.leave(node.name, 0);
    expect(await disks.freeBytes(node.name)).toBe(0);
    await register();
    await node.kill();
    node.start();
    await states({ [node.name]: "full" }, "all");
    expect(await reserveBytes(node)).toBe(0);
    const log = await node.log();
    expect(log.map(({ msg }) => msg)).toContainEqual(
      expect.stringContaining("the reserve on the disk is given back"),
    );
    await backToNormal();
    await node.votes();
    nothingHappened();
  });

  async function reserveBytes(node: ClusterNode): Promise<number> {
    const text = await fetch(`${node.http}/metrics`).then((page) => page.text());
    return Number(/^rollcall_disk_reserve_bytes (\d+)$/m.exec(text)?.[1]);
  }
});
