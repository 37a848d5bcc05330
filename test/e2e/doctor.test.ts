import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { until } from "../../jepsen-lite/real/wait.ts";
import { blocksOf, commandsOf, readPage } from "../docs/page.ts";
import { fingerprint } from "../storage/fingerprint.ts";
import { Cluster, type ClusterNode, rollcall } from "./cluster.ts";

let cluster: Cluster;

beforeAll(async () => {
  cluster = await Cluster.start();
  const env = { ROLLCALL_SERVER: cluster.urls.join(",") };
  expect((await rollcall(["register", "web", "h:1", "--persistent"], env)).code).toBe(0);
});

afterAll(async () => {
  cluster.heal();
  await cluster.stop();
});

/** By way of one node that runs. */
function doctor(...args: readonly string[]) {
  const asked = cluster.nodes.find((node) => node.isRunning)?.url ?? "";
  return rollcall(["doctor", ...args], { ROLLCALL_SERVER: asked });
}

/** The one command of a block of docs/operations.md, with the directory of the test. */
function fromPage(mark: string, dataDir = ""): readonly string[] {
  const [block] = blocksOf(readPage("docs/operations.md")).filter((each) => each.mark === mark);
  const [command = "", ...more] = block === undefined ? [] : commandsOf(block);
  expect([command.startsWith("rollcall doctor"), more]).toEqual([true, []]);
  const [, , ...args] = command.replace("/var/lib/rollcall", dataDir).split(" ");
  return args;
}

describe("rollcall doctor", () => {
  let first: ClusterNode;
  let second: ClusterNode;

  test("finds all well, by the word of one node", async () => {
    const { code, out } = await doctor();
    expect(out).toMatch(/\nwell: n\d leads in term \d+, 3 of 3 voters answer, 1 of them may fail/);
    expect(code).toBe(0);
  });

  test("reads no directory whose node runs, and takes no lock from it", async () => {
    [first, second] = await cluster.followers();
    for (const _ of [1, 2]) {
      const { code, out } = await doctor("--data", first.dataDir);
      expect(out).toContain(`not well: a node runs on ${first.dataDir}, so its log`);
      expect(out).toContain("next: ask the node itself: 'rollcall doctor --server HOST:PORT'");
      expect(code).toBe(4);
    }
    const { port } = first;
    const again = ["start", "--id", first.name, "--data", first.dataDir];
    const { code, err } = await rollcall([...again, "--listen", `127.0.0.1:${port + 1}`], {});
    expect([code, err]).toEqual([78, expect.stringContaining("is in use")]);
    await cluster.leader();
  });

  test("tells links that are cut from nodes that are down", async () => {
    for (const node of cluster.nodes.slice(1)) cluster.cutOff(node);
    const { out, code } = await until(30_000, "nobody to lead", async () => {
      const said = await doctor();
      return said.out.includes("not to each other") ? said : null;
    });
    expect(out).toMatch(/not well: no leader: .* not to each other: n\d does not reach n\d/);
    expect(code).toBe(6);
    cluster.heal();
    await cluster.leader();
  });

  test("with one node down says how to start it, and that no further one may fail", async () => {
    [first, second] = await cluster.followers();
    await first.kill();
    const { code, out } = await doctor();
    expect(out).toMatch(
      /\nwell: n\d leads in term \d+, 2 of 3 voters answer; \d things to look at/,
    );
    expect(out).toContain("look at: no further voter may fail");
    expect(out).toContain(`look at: ${first.name} does not answer: refused`);
    expect(out).toContain(`'rollcall start --id ${first.name} --data DIR …'`);
    expect(code).toBe(0);
  });

  test("with two nodes down says why there is no leader, and what is enough", async () => {
    await second.kill();
    const { code, out } = await until(10_000, "the leader to step down", async () => {
      const said = await doctor(...fromPage("doctor"));
      return said.code === 6 ? said : null;
    });
    const names = [first, second].map(({ name }) => `${name} (refused)`).sort();
    expect(out).toContain(
      `not well: no leader: 2 of 3 voters cannot be asked: ${names.join(", ")}; 1 of them is enough for a majority`,
    );
    expect(code).toBe(6);
  });

  test("reads the directories of the two, whole, and changes nothing in them", async () => {
    const dirs = [first.dataDir, second.dataDir];
    const before = await Promise.all(dirs.map(fingerprint));
    const { code, out } = await doctor("--data", first.dataDir, "--data", second.dataDir);
    expect(out).toMatch(/\nwell: .*2 of 3 voters are here and whole, a majority: start them/);
    expect(out.match(/ 2 of 2 +1 +\d+ .* verified /g)).toHaveLength(2);
    expect(code).toBe(0);
    for (const { dataDir, name } of [first, second]) {
      const one = await doctor(...fromPage("directory", dataDir));
      expect(one.out).toMatch(new RegExp(`\nwell: ${dataDir} \\(${name}\\) is whole, up to`));
      expect(one.code).toBe(0);
    }
    expect(await Promise.all(dirs.map(fingerprint))).toEqual(before);
  });

  test("names the damaged file of one, and the other as the most up to date", async () => {
    const database = join(first.dataDir, "db");
    const log = (await readdir(database)).find((file) => file.endsWith(".log")) ?? "";
    const content = await readFile(join(database, log));
    content[30]! ^= 1;
    await writeFile(join(database, log), content);
    const before = await fingerprint(first.dataDir);
    const { code, out } = await doctor("--data", first.dataDir, "--data", second.dataDir);
    expect(out).toContain(`\nwell: ${second.dataDir} (${second.name}) is the most up to date`);
    expect(code).toBe(1);
    expect(await fingerprint(first.dataDir)).toEqual(before);
  });

  test("after what it said was done, finds a leader again", async () => {
    second.start();
    await cluster.leader();
    const { code, out } = await doctor();
    expect(out).toContain("2 of 3 voters answer");
    expect(code).toBe(0);
  });
});
