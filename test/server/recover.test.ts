import { cp, readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { run } from "../../src/cli/program.ts";
import { connect } from "../../src/client/index.ts";
import { LINEAGE_REVISIONS } from "../../src/limits.ts";
import { openDirectory } from "../../src/storage/directory.ts";
import { captured } from "../cli/captured-world.ts";
import { fingerprint } from "../storage/fingerprint.ts";
import { random } from "../storage/fixture.ts";
import { BareClient, Cluster, HELLO } from "./world.ts";

const room = vi.hoisted(() => ({ wanted: [] as number[] }));

vi.mock("../../src/server/check-room.ts", async (importOriginal) => {
  const original = await importOriginal<typeof import("../../src/server/check-room.ts")>();
  return {
    checkRoom: (...args: Parameters<typeof original.checkRoom>) => {
      room.wanted.push(args[0].stateBytes);
      return original.checkRoom(...args);
    },
  };
});

let cluster: Cluster;

beforeEach(async () => {
  cluster = await Cluster.started(3);
  const provider = await BareClient.open(cluster.address("n1"));
  for (const port of [1, 2, 3]) {
    provider.send({ application: "shop", protocol: "http", addr: `127.0.0.1:${port}` });
    expect(await provider.next()).toMatchObject({ ok: true });
  }
  // Everybody has all of it, so that it is the same whoever is left.
  const statuses = () => [...cluster.nodes.values()].map((node) => node.status());
  await cluster.until(() => new Set(statuses().map((status) => status?.applied)).size === 1);
  for (const name of cluster.names) {
    await cluster.nodes.get(name)?.stop();
  }
  provider.ws.terminate();
}, 20_000);

afterEach(() => cluster.close());

interface Ran {
  readonly exitCode: number;
  readonly out: string;
  readonly err: string;
}

async function recover(...args: string[]): Promise<Ran> {
  const { world, out, err } = captured(["recover", ...args], { cwd: cluster.root });
  return { exitCode: await run(world), out: out(), err: err() };
}

const startOn = (name: string, directory: string, flags = {}) =>
  cluster.start(name, { dataDir: join(cluster.root, directory), bootstrap: [], ...flags });

describe("a cluster that has lost two of three", () => {
  test("goes on from a whole log whose votes are lost", async () => {
    await rm(cluster.dataDir("n1"), { recursive: true });
    await rm(cluster.dataDir("n3"), { recursive: true });
    for (const file of ["vote-a", "vote-b"]) await rm(join(cluster.dataDir("n2"), file));
    const done = await recover("--data", "n2", "--into", "n2-new", "--accept-loss", "-o", "json");
    expect(done.exitCode).toBe(0);
    expect(JSON.parse(done.out)).toMatchObject({ instances: 3, votersHere: 0 });
    await startOn("n2", "n2-new");
    await cluster.until(() => cluster.isReady("n2"));
  });

  test("sees on a terminal how far the copy of what is left is, when it is looked at and when it is used", async () => {
    await rm(cluster.dataDir("n1"), { recursive: true });
    const argv = ["recover", "--data", "n2", "--into", "n2-new"];
    const { world, err } = captured(argv, { cwd: cluster.root, isTty: true });
    expect(await run(world)).toBe(0);
    const copying = err()
      .split("\r\u001b[2K")
      .filter((line) => /^copying \/.*n2: \d[.\d]* K?B \(\d+ %\)$/.test(line));
    // More of a machine that takes long over it.
    expect(copying.length).toBeGreaterThanOrEqual(2);
  });

  test("asks for room for the state that is written, and names no flag that it does not have", async () => {
    await rm(cluster.dataDir("n1"), { recursive: true });
    room.wanted.length = 0;
    const args = ["--data", "n2", "--into", "n2-new", "--accept-loss"];
    const refused = await recover(...args, "--disk-low", "1000TiB");
    expect(refused).toMatchObject({ exitCode: 78, err: expect.stringContaining("would be low") });
    expect(refused.err).not.toContain("--drop-sessions");
    expect((await recover(...args)).exitCode).toBe(0);
    const directory = await openDirectory(join(cluster.root, "n2-new"), "n2", random);
    const { loaded } = await directory.open();
    await directory.close();
    expect(room.wanted).toEqual(Array(2).fill(loaded.snapshot?.bytes));
  });

  test("goes on from the third, and those of before stop for good", async () => {
    await cp(cluster.dataDir("n3"), join(cluster.root, "n3-found"), { recursive: true });
    await rm(cluster.dataDir("n1"), { recursive: true });
    await rm(cluster.dataDir("n3"), { recursive: true });
    const done = await recover("--data", "n2", "--into", "n2-new", "--accept-loss", "-o", "json");
    expect(done.exitCode).toBe(0);
    const { lineage, from, missing, revision, instances } = JSON.parse(done.out);
    expect([missing, instances, revision]).toEqual([["n1", "n3"], 3, LINEAGE_REVISIONS + 3]);
    const [, epoch] = lineage.split(".");
    expect(lineage).toBe(from.replace(/\.1$/, `.${epoch}`));
    expect(Number(epoch)).toBeGreaterThan(1);

    await startOn("n2", "n2-new");
    await cluster.until(() => cluster.isReady("n2"));
    expect(cluster.nodes.get("n2")?.status()).toMatchObject({ lineage, instances: 3 });
    const client = await connect({ servers: [`ws://${cluster.address("n2")}`] });
    expect((await client.consumer.get("shop")).instances).toHaveLength(3);
    await client.provider.register({ application: "shop", protocol: "http", addr: "new:1" });
    await client.close();

    // One of the lost is found after all, and is started as ever.
    const late = await startOn("n3", "n3-found", { bootstrap: cluster.bootstrap() });
    const { exitCode, error } = await late.ended;
    expect([exitCode, String(error)]).toEqual([
      78,
      expect.stringMatching(`goes on in epoch ${epoch}, by the word of n2`),
    ]);
    await expect(startOn("n3", "n3-found")).rejects.toMatchObject({ code: "SUPERSEDED" });
    await expect(startOn("n1", "n2", { id: "n2" })).rejects.toMatchObject({ code: "SUPERSEDED" });

    for (const name of ["n1", "n3"]) {
      await cluster.start(name, { bootstrap: [], join: cluster.address("n2") });
      await cluster.until(
        () => cluster.isReady(name) && cluster.membershipOf(name, "n2") === "voter",
      );
    }
    expect(cluster.nodes.get("n3")?.status()).toMatchObject({ lineage, instances: 3 });
  }, 60_000);

  test("has a node of before serve no client that has seen a later epoch, and go on", async () => {
    await rm(cluster.dataDir("n1"), { recursive: true });
    const before = await startOn("n3", "n3", { bootstrap: cluster.bootstrap() });
    await before.serving;
    const lineage = before.status()?.lineage ?? "";
    const speak = async (told: string): Promise<string> => {
      const client = await BareClient.open(cluster.address("n3"), ["rollcall.v1.json"]);
      client.send({ ...HELLO, revision: 1, lineage: told });
      const said = await Promise.race([
        client.next().then(({ type }) => String(type)),
        client.closed.then(({ code, reason }) => `${code} ${reason}`),
      ]);
      client.ws.terminate();
      return said;
    };
    expect(await speak(`${"0".repeat(32)}.7`)).toBe("welcome");
    expect(await speak("gibberish")).toBe("welcome");
    for (let times = 0; times < 3; times += 1) {
      const later = lineage.replace(/\.1$/, ".2");
      expect(await speak(later)).toMatch(/^1001 DRAINING: this node is of epoch 1 /);
    }
    expect(before.status()).not.toBeNull();
    const told = cluster.log.lines.filter(({ message }) => /has seen epoch 2/.test(message));
    expect(told).toHaveLength(1);
    expect(await readdir(cluster.dataDir("n3"))).not.toContain("superseded");
  }, 20_000);
});

describe("recover", () => {
  test("shows what is left, proposes the one with the most, and changes nothing", async () => {
    await rm(cluster.dataDir("n1"), { recursive: true });
    await rm(cluster.dataDir("n3"), { recursive: true });
    const before = await fingerprint(cluster.dataDir("n2"));
    const shown = await recover("--data", "n2");
    expect(shown.exitCode).toBe(0);
    expect(shown.out).toMatch(/^DIRECTORY +NODE /);
    expect(shown.out).toMatch(/\nbest: .*n2 \(n2\), up to entry \d+ of term \d+\n/);
    expect(shown.out).toContain(
      "1 of 3 voters is here and whole, a majority is 2; not here: n1, n3",
    );
    const dry = await recover("--data", "n2", "--into", "new");
    expect(dry.exitCode).toBe(0);
    expect(dry.out).toMatch(
      /\nwould make .*new: node n2, the only member of cluster [0-9a-f]{32} in a later epoch\n/,
    );
    expect(dry.out).toContain("\nnothing was made\n");
    expect(dry.err).toContain("--accept-loss");
    const kept = await recover("--data", "n2", "--into", "new", "--accept-loss", "--dry-run");
    expect(kept.out).toContain("\nnothing was made\n");
    expect(await fingerprint(cluster.dataDir("n2"))).toEqual(before);
    expect(await readdir(cluster.root)).not.toContain("new");
  });

  test("refuses where a majority is left, and where nothing is", async () => {
    const majority = await recover(
      "--data",
      "n1",
      "--data",
      "n2",
      "--into",
      "new",
      "--accept-loss",
    );
    expect(majority).toMatchObject({ exitCode: 4, err: expect.stringContaining("start them") });
    await rm(join(cluster.dataDir("n2"), "mark"));
    const damaged = await recover("--data", "n2", "--into", "new", "--accept-loss");
    expect(damaged.exitCode).toBe(1);
    expect(damaged.err).toContain("none of these directories can be gone on from");
    expect(await readdir(cluster.root)).not.toContain("new");
    expect((await recover()).exitCode).toBe(2);
    expect((await recover("--data", "n2", "--accept-loss")).exitCode).toBe(2);
  });

  test("makes nothing in a directory that is in use, and marks what it was made from", async () => {
    await rm(cluster.dataDir("n1"), { recursive: true });
    const refused = await recover("--data", "n2", "--into", "n3", "--accept-loss");
    expect(refused).toMatchObject({ exitCode: 78, err: expect.stringContaining("already") });
    const done = await recover("--data", "n2", "--into", "new", "--accept-loss");
    expect(done).toMatchObject({
      exitCode: 0,
      err: expect.stringContaining("next: rollcall start"),
    });
    const mark = await readFile(join(cluster.dataDir("n2"), "superseded"), "utf8");
    expect(mark).toMatch(
      /n2 was given up: its cluster goes on as [0-9a-f]{32}\.[1-9]\d+, from .*new\n$/,
    );
    const again = await recover("--data", "n2", "--into", "newer", "--accept-loss");
    expect(again.exitCode).toBe(1);
  });
});
