import { cp, mkdir, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { until } from "../../jepsen-lite/real/wait.ts";
import { connect, type RollcallClient, type WatchEvent } from "../../src/client/index.ts";
import { blocksOf, commandsOf, readPage } from "../docs/page.ts";
import { Cluster, type ClusterNode, rollcall } from "./cluster.ts";

const ANSWER_MS = 20_000;
const TTL_MS = 3_000;

const blocks = blocksOf(readPage("docs/operations.md"));

let cluster: Cluster;
let ports: ReadonlyMap<string, number>;
let clients: RollcallClient[];

beforeEach(async () => {
  cluster = await Cluster.start();
  ports = new Map(cluster.nodes.map(({ port }, at) => [`10.0.0.${at + 1}`, port]));
  clients = [];
  await mkdir(join(dirname(cluster.dataDir("n1")), "backup"));
});

afterEach(async () => {
  await Promise.all(clients.map((client) => client.close()));
  await cluster.stop();
});

async function client(): Promise<RollcallClient> {
  const made = await connect({ servers: cluster.urls.slice(0, 3), ttlMs: TTL_MS, graceMs: 0 });
  clients.push(made);
  return made;
}

/** The arguments of a command that is typed on `machine`, with the places of the test. */
function here(command: string, machine: string): string[] {
  const [, own = ""] = /--advertise (10\.0\.0\.\d)/.exec(command) ?? [];
  return command
    .replace("0.0.0.0:7420", `${own}:7420`)
    .replaceAll(/(10\.0\.0\.\d):7420/g, (_, host: string) => `127.0.0.1:${ports.get(host)}`)
    .replace(" --insecure", "")
    .replaceAll("/var/lib/rollcall", cluster.dataDir(machine))
    .replaceAll("/backup/", `${join(dirname(cluster.dataDir(machine)), "backup")}/`)
    .split(" ")
    .slice(1);
}

/** All that the page has under this mark, one after the other; nodes that it starts run on. */
async function follow(mark: string): Promise<string> {
  const [, machine = "n1"] = mark.split(" ");
  const commands = blocks.filter((block) => block.mark === mark).flatMap(commandsOf);
  expect(commands.length, `a block marked ${mark}`).toBeGreaterThan(0);
  let said = "";
  for (const command of commands) {
    const args = here(command, machine);
    if (args[0] === "start") {
      const [, host = ""] = /--advertise (10\.0\.0\.\d)/.exec(command) ?? [];
      await serves(cluster.add(machine, ports.get(host) ?? 0, args.slice(1)));
      continue;
    }
    const env = { ROLLCALL_SERVER: cluster.nodes.map(({ url }) => url).join(",") };
    const { code, out, err } = await rollcall(args, env);
    expect([code, err.includes("rollcall: ")], `${command}: ${err}`).toEqual([0, false]);
    said += out;
  }
  return said;
}

async function serves(node: ClusterNode): Promise<void> {
  await until(ANSWER_MS, `${node.name} to catch up`, async () =>
    (await node.status())?.isCaughtUp === true ? true : null,
  );
}

function latest(name: string): ClusterNode {
  const found = cluster.nodes.findLast((node) => node.name === name);
  if (found === undefined) throw new Error(`no ${name}`);
  return found;
}

/** A watch that goes on for the whole of a drill. */
class Consumer {
  readonly events: WatchEvent[] = [];
  readonly #reading: Promise<void>;

  constructor(watching: RollcallClient) {
    this.#reading = (async () => {
      for await (const event of watching.consumer.watch("shop")) this.events.push(event);
    })();
    this.#reading.catch(() => {});
  }

  get addrs(): readonly string[] {
    return this.events.at(-1)?.instances.map(({ addr }) => addr) ?? [];
  }

  has(what: string, isThere: (addrs: readonly string[]) => boolean): Promise<true> {
    return until(ANSWER_MS, what, async () => (isThere(this.addrs) ? true : null));
  }
}

const shop = (addr: string) => ({ application: "shop", protocol: "http", addr });

describe("a restored backup", () => {
  test("as a newcomer follows the page, with clients that live through it", async () => {
    const consumer = new Consumer(await client());
    const provider = await client();
    await provider.provider.register(shop("alive:1"));
    const forGood = await rollcall(["register", "shop", "persistent:1", "--persistent"], {
      ROLLCALL_SERVER: cluster.urls.join(","),
    });
    expect(forGood.code).toBe(0);
    const gone = await client();
    await gone.provider.register(shop("dead:1"));
    expect(await follow("backup")).toContain("3 instances");
    await consumer.has("all three", (addrs) => addrs.length === 3);
    const former = (await latest("n1").status())?.lineage;

    await Promise.all(cluster.nodes.map((node) => node.kill()));
    await gone.close();
    for (const name of ["n1", "n2", "n3"]) {
      await rm(cluster.dataDir(name), { recursive: true });
    }
    expect(await follow("restore n1")).toContain("nothing was made");
    await consumer.has("the reset", () => consumer.events.at(-1)?.type === "snapshot");
    await follow("restore n2");
    await follow("restore n3");
    for (const name of ["n2", "n3"]) await latest(name).votes();

    const reset = consumer.events.find((event) => "lineageChanged" in event);
    expect(reset).toMatchObject({ type: "snapshot", reset: true, lineageChanged: true });
    expect(reset?.instances.map(({ addr }) => addr)).toContain("persistent:1");
    await consumer.has("the dead one to go", (addrs) => !addrs.includes("dead:1"));
    expect(consumer.addrs).toEqual(["alive:1", "persistent:1"]);
    expect((await latest("n3").status())?.lineage).not.toBe(former);
    const { instances } = await provider.consumer.get("shop");
    expect(instances.map(({ addr }) => addr)).toEqual(["alive:1", "persistent:1"]);
  });
});

describe("a lost quorum", () => {
  test("as a newcomer follows the page; one of the lost turns up and ends for good", async () => {
    const consumer = new Consumer(await client());
    const provider = await client();
    await provider.provider.register(shop("alive:1"));
    await consumer.has("the first", (addrs) => addrs.length === 1);
    await until(ANSWER_MS, "all to have it", async () => {
      const statuses = await Promise.all(cluster.nodes.map((node) => node.status()));
      return statuses.every((status) => status?.instances === 1) ? true : null;
    });
    await Promise.all([latest("n1").kill(), latest("n3").kill()]);
    await latest("n2").kill();
    const found = latest("n3");
    await cp(found.dataDir, `${found.dataDir}-found`, { recursive: true });
    for (const name of ["n1", "n3"]) await rm(cluster.dataDir(name), { recursive: true });

    const said = await follow("recover n2");
    expect(said).toMatch(/\nbest: .* \(n2\), up to entry \d+ of term \d+\n/);
    expect(said).toContain("not here: n1, n3");
    expect(said).toContain("nothing was made");
    await consumer.has("the reset", () =>
      consumer.events.some((event) => "lineageChanged" in event),
    );

    const args = ["--id", "n3", "--data", `${found.dataDir}-found`];
    const port = ["--listen", `127.0.0.1:${found.port}`];
    const bootstrap = ["n1", "n2", "n3"].map(
      (name, at) => `${name}=127.0.0.1:${[...ports.values()][at]}`,
    );
    found.start([...args, ...port, "--bootstrap", bootstrap.join(",")]);
    expect(await found.exited()).toEqual({ code: 78, signal: null });
    expect(await found.errors()).toMatch(/goes on in epoch \d+/);
    found.start([...args, ...port]);
    expect(await found.exited()).toEqual({ code: 78, signal: null });

    await follow("recover n1");
    await follow("recover n3");
    for (const name of ["n1", "n3"]) await latest(name).votes();
    await consumer.has("the provider to be back", (addrs) => addrs.includes("alive:1"));
    await provider.provider.register(shop("new:1"));
    await consumer.has("what is new", (addrs) => addrs.includes("new:1"));
    expect((await latest("n3").status())?.lineage).toMatch(/\.[1-9]\d+$/);
  });
});
