import { rm } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { freePorts } from "../../jepsen-lite/net/ports.ts";
import { until } from "../../jepsen-lite/real/wait.ts";
import { connect } from "../../src/client/index.ts";
import { blocksOf, commandsOf, readPage } from "../docs/page.ts";
import { Cluster, type ClusterNode, rollcall } from "./cluster.ts";
import { Follower, registerForEver } from "./registrations.ts";

const ANSWER_MS = 20_000;
const REMOVED = { code: 78, signal: null };

let cluster: Cluster;

/** One after the other, each of the examples of docs/operations.md in its turn. */
describe("the operations page", () => {
  const blocks = blocksOf(readPage("docs/operations.md"));
  /** Where 10.0.0.N is here. */
  const ports = new Map<string, number>();

  beforeAll(async () => {
    cluster = await Cluster.start();
    const all = [...cluster.nodes.map(({ port }) => port), ...(await freePorts(3))];
    all.forEach((port, at) => {
      ports.set(`10.0.0.${at + 1}`, port);
    });
  });

  afterAll(() => cluster.stop());

  /** The arguments, with directory and addresses of the test. */
  function here(command: string, name = ""): string[] {
    const [, own = ""] = /--advertise (10\.0\.0\.\d)/.exec(command) ?? [];
    return command
      .replace("0.0.0.0:7420", `${own}:7420`)
      .replaceAll(/(10\.0\.0\.\d):7420/g, (_, host: string) => `127.0.0.1:${ports.get(host)}`)
      .replace(" --insecure", "")
      .replace("/var/lib/rollcall", cluster.dataDir(name))
      .split(" ")
      .slice(1);
  }

  /** The commands of a block, one after the other; nodes that it starts run on. */
  async function follow(mark: string): Promise<void> {
    const commands = blocks.filter((block) => block.mark === mark).flatMap(commandsOf);
    expect(commands.length, `a block marked ${mark}`).toBeGreaterThan(0);
    for (const command of commands) {
      if (command.startsWith("rollcall start")) {
        await startNode(command);
        continue;
      }
      const running = cluster.nodes.filter((node) => node.isRunning);
      const env = { ROLLCALL_SERVER: running.map(({ url }) => url).join(",") };
      const { code, err } = await rollcall(here(command), env);
      expect([code, err], command).toEqual([0, ""]);
    }
  }

  /** Resolves when it has caught up. */
  async function startNode(command: string): Promise<void> {
    const [, name = ""] = /--id (\S+)/.exec(command) ?? [];
    const [, host = ""] = /--advertise (10\.0\.0\.\d)/.exec(command) ?? [];
    const node = cluster.add(name, ports.get(host) ?? 0, here(command, name).slice(1));
    await until(ANSWER_MS, `${name} to catch up`, async () =>
      (await node.status())?.isCaughtUp === true ? true : null,
    );
  }

  const node = (name: string): ClusterNode => {
    const found = cluster.nodes.findLast((candidate) => candidate.name === name);
    if (found === undefined) throw new Error(`no ${name}`);
    return found;
  };

  test("a node joins with one command, and votes", async () => {
    await follow("grow");
    await node("n4").votes();
    expect(await node("n2").members()).toHaveLength(4);
  });

  test("a member of the first hour is removed, says so and ends", async () => {
    await follow("shrink");
    expect(await node("n1").exited()).toEqual(REMOVED);
    expect(await node("n1").errors()).toContain("n1 was removed from cluster");
    expect((await node("n4").members()).map(({ name }) => name)).toEqual(["n2", "n3", "n4"]);
    node("n1").start();
    expect(await node("n1").exited()).toEqual(REMOVED);
  });

  test("a wiped one is refused under its old name, and another takes its place", async () => {
    const lost = node("n3");
    await lost.kill();
    await cluster.leader();
    await rm(cluster.dataDir("n3"), { recursive: true });
    lost.start();
    expect(await lost.exited()).toEqual(REMOVED);
    expect(await lost.errors()).toContain("ALREADY_BOOTSTRAPPED");
    const args = ["--id", "n3", "--data", cluster.dataDir("n3"), "--listen"];
    lost.start([...args, `127.0.0.1:${lost.port}`, "--join", `127.0.0.1:${node("n2").port}`]);
    expect(await lost.exited()).toEqual(REMOVED);
    expect(await lost.errors()).toContain("n3 is already the name of a voter");
    await follow("replace");
    await node("n5").votes();
    expect((await node("n5").members()).map(({ name }) => name)).toEqual(["n2", "n4", "n5"]);
  });

  test("a member moves to another address", async () => {
    const before = node("n4");
    await before.kill();
    await cluster.leader();
    await follow("move");
    const after = node("n4");
    await after.votes();
    const { port } = after;
    expect(port).not.toBe(before.port);
    for (const by of [node("n2"), node("n5")]) {
      const moved = (await by.members()).find(({ name }) => name === "n4");
      expect(moved).toMatchObject({ address: `127.0.0.1:${port}`, isLinkUp: true });
    }
  });

  test("one that was removed while it was away is told, and ends", async () => {
    const away = node("n5");
    await away.kill();
    await cluster.leader();
    const env = { ROLLCALL_SERVER: `${node("n2").url},${node("n4").url}` };
    expect(await rollcall(["member", "remove", "n5"], env)).toMatchObject({ code: 0 });
    away.start();
    expect(await away.exited()).toEqual(REMOVED);
    expect(await away.errors()).toContain("n5 was removed from cluster");
  });
});

describe("three members become five and three again", () => {
  beforeAll(async () => {
    cluster = await Cluster.start();
  });

  afterAll(() => cluster.stop());

  test("under a stream of registrations, the removed ones leading until then", async () => {
    const [staying] = await cluster.followers();
    const consumer = await connect({ servers: [staying.url] });
    const provider = await connect({ servers: cluster.urls });
    const follower = new Follower();
    const reading = (async () => {
      for await (const event of consumer.consumer.watch("busy")) {
        follower.take(event);
      }
    })();
    const stream = registerForEver(
      (addr) => provider.provider.register({ application: "busy", protocol: "http", addr }),
      8,
      "busy.example",
    );
    const more = async (count: number): Promise<void> => {
      const wanted = stream.acknowledged.size + count;
      await until(ANSWER_MS, `${count} more registrations`, async () =>
        stream.acknowledged.size >= wanted ? true : null,
      );
    };
    await more(100);
    const seed = `127.0.0.1:${staying.port}`;
    const ports = await freePorts(2);
    const joined = ports.map((port, at) => {
      return cluster.add(`n${4 + at}`, port, ["--listen", `127.0.0.1:${port}`, "--join", seed]);
    });
    for (const node of joined) {
      await node.votes();
    }
    await more(100);
    const env = { ROLLCALL_SERVER: staying.url };
    const going = cluster.nodes.slice(0, 3).filter((node) => node !== staying);
    for (const node of going) {
      await rollcall(["member", "transfer-leader", node.name], env);
      await until(ANSWER_MS, `${node.name} to lead`, async () =>
        (await staying.status())?.leader === node.name ? true : null,
      );
      const { code, err } = await rollcall(["member", "remove", node.name], env);
      expect([code, err]).toEqual([0, ""]);
      expect(await node.exited()).toEqual(REMOVED);
      await more(50);
    }
    await stream.stop();

    expect(await staying.members()).toHaveLength(3);
    const { instances } = await consumer.consumer.get("busy");
    const found = new Set(instances.map(({ addr }) => addr));
    expect([...stream.acknowledged].filter((addr) => !found.has(addr))).toEqual([]);
    await until(ANSWER_MS, "the watch to have everything", async () =>
      follower.addrs.size === found.size ? true : null,
    );
    expect([follower.faults, follower.resets]).toEqual([[], 0]);
    await consumer.close();
    await reading;

    // What the survivors were started with names members that are gone; what they know does not.
    const survivors = cluster.nodes.filter((node) => node.isRunning);
    expect(survivors.map(({ name }) => name)).toEqual([staying.name, "n4", "n5"]);
    await Promise.all(survivors.map((node) => node.kill()));
    for (const node of survivors) {
      node.start();
    }
    await cluster.leader();
    const later = await connect({ servers: [survivors.at(-1)?.url ?? ""] });
    const again = await later.consumer.get("busy");
    expect(new Set(again.instances.map(({ addr }) => addr))).toEqual(found);
    await Promise.all([later.close(), provider.close()]);
  });
});
