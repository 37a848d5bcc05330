import { type AddressInfo, createServer, type Socket } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { isOld } from "../../src/cli/age.ts";
import { run } from "../../src/cli/program.ts";
import { Cluster } from "../server/world.ts";
import { type Captured, captured } from "./captured-world.ts";

let cluster: Cluster;

interface Ran extends Captured {
  readonly exitCode: Promise<number>;
}

function begin(...args: string[]): Ran {
  const capture = captured(args, { env: { ROLLCALL_SERVER: cluster.address("n1") } });
  return { ...capture, exitCode: run(capture.world) };
}

async function finish(...args: string[]): Promise<{ exitCode: number; out: string; err: string }> {
  const { exitCode, out, err } = begin(...args);
  return { exitCode: await exitCode, out: out(), err: err() };
}

/** What `register` held when the leader was lost, and was told to end after that. */
let held: Ran;

/** n1 of n1 and n2, after n2 is gone: it knows `web` at a:1, which is persistent. */
beforeAll(async () => {
  cluster = await Cluster.started(2);
  expect((await finish("register", "web", "a:1", "--persistent")).exitCode).toBe(0);
  held = begin("register", "held", "a:2");
  await held.listening("SIGINT");
  await cluster.nodes.get("n2")?.stop();
  const { nodes } = cluster;
  await cluster.until(() => isOld(nodes.get("n1")?.status()?.ageMs ?? null));
  await cluster.until(() => nodes.get("n1")?.status()?.leader === null);
  held.raise("SIGINT");
}, 30_000);

afterAll(async () => {
  await cluster.close();
});

describe("without a leader", () => {
  const noLeader = /^rollcall: no leader [^\n]+\nhint: nothing was changed; 'rollcall status' /;

  test.for([
    ["register", "web", "a:3"],
    ["register", "web", "a:3", "--persistent"],
    ["register", "web", "a:3", "--exec", "false"],
    ["deregister", "web", "a:1"],
    ["deregister", "web", "nowhere:1"],
  ])("%j ends with 6, and says that nothing was changed", async ([name = "", ...args]) => {
    for (const timeout of ["500ms", "2s"]) {
      const { exitCode, out, err } = await finish("--timeout", timeout, name, ...args);
      expect([exitCode, out, err]).toEqual([6, "", expect.stringMatching(noLeader)]);
    }
  });

  test("a write says so to programs", async () => {
    const { exitCode, err } = await finish("--timeout=1s", "-ojson", "deregister", "web", "a:1");
    expect(exitCode).toBe(6);
    expect(JSON.parse(err).error).toMatchObject({
      code: "NO_LEADER",
      retryable: true,
      details: { definite: true },
    });
  });

  test("register, when it is told to end, does not claim that the instance is gone", async () => {
    expect(await held.exitCode).toBe(130);
    expect(held.err()).toContain("the registry has not confirmed the end of the session");
  });

  test("get ends with 6, and names the read that needs none", async () => {
    for (const timeout of ["500ms", "2s"]) {
      const { exitCode, err } = await finish("get", "web", "--timeout", timeout);
      expect(exitCode).toBe(6);
      expect(err).toMatch(/^rollcall: no leader [^\n]+\nhint: .*--read stale needs no leader\n$/);
    }
    const { exitCode, out, err } = await finish("get", "web", "--read", "stale");
    expect([exitCode, out]).toEqual([0, expect.stringContaining("a:1")]);
    expect(err).toMatch(/^revision \d+, at most [\d.]+ s old\n$/);
  });

  test("watch goes on from what the node has, and says how old that is", async () => {
    const watch = begin("watch", "web");
    await watch.seen(/= a:1/);
    expect(watch.out()).toMatch(/revision \d+: 1 instance, at most [\d.]+ s old\n/);
    watch.raise("SIGINT");
    expect(await watch.exitCode).toBe(130);
  });

  test("sessions are those that the node has, and it says how old that is", async () => {
    const { exitCode, err } = await finish("sessions");
    expect(exitCode).toBe(0);
    expect(err).toMatch(/^this node hears from no leader: its copy is at most [\d.]+ s old\n$/);
    const { out } = await finish("sessions", "-o", "json");
    expect(JSON.parse(out).ageMs).toBeGreaterThan(2_000);
  });

  test("status shows the members and ends with 6", async () => {
    const { exitCode, out, err } = await finish("status");
    expect([exitCode, out]).toEqual([6, expect.stringContaining("unreachable")]);
    expect(err).toContain("rollcall: no leader: 1 of 2 members answer\n");
  });
});

describe("a node that does not serve yet", () => {
  test("says what it waits for, whatever it is asked", async () => {
    const fresh = await Cluster.make(2);
    try {
      await fresh.start("n1");
      const ready = `http://${fresh.address("n1")}/readyz`;
      await expect
        .poll(async () => (await fetch(ready)).text(), { timeout: 10_000 })
        .toContain("waiting for n2");
      const server = ["-s", fresh.address("n1"), "--timeout", "500ms"];
      for (const args of [["status"], ["sessions"], ["get", "web"], ["deregister", "web", "a:1"]]) {
        const { exitCode, err } = await finish(...args, ...server);
        expect(exitCode).toBe(6);
        expect(err).toMatch(/the node does not serve now: being born, waiting for n2: .*REFUSED/);
      }
    } finally {
      await fresh.close();
    }
  });
});

describe("servers that are up and silent", () => {
  const taken: Socket[] = [];
  const silent = createServer((socket) => taken.push(socket));
  let address = "";

  beforeAll(async () => {
    await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
    address = `127.0.0.1:${(silent.address() as AddressInfo).port}`;
  });

  afterAll(() => {
    for (const socket of taken) {
      socket.destroy();
    }
    silent.close();
  });

  test("are not said to have refused", async () => {
    const { exitCode, err } = await finish("get", "web", "-s", address, "--timeout", "300ms");
    expect(exitCode).toBe(6);
    expect(err).toBe(
      `rollcall: no node reached in 300 ms: no answer yet from ws://${address}\n` +
        "hint: --server (ROLLCALL_SERVER) names others, --timeout waits longer\n",
    );
    const both = await finish("get", "web", "-s", `${address},127.0.0.1:1`, "--timeout", "300ms");
    expect(both.err).toContain("rollcall: none of 2 servers reached in 300 ms: ");
  });

  test("do not keep sessions from asking the others", async () => {
    const servers = `${address},${cluster.address("n1")}`;
    const { exitCode, out } = await finish("sessions", "-s", servers, "--timeout", "60s");
    expect([exitCode, out]).toEqual([0, expect.stringContaining("SESSION")]);
  }, 5_000);
});
