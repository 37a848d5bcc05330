import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { run } from "../../src/cli/program.ts";
import { parseNodeConfig } from "../../src/server/config.ts";
import { type NodeHandle, startNode } from "../../src/server/node.ts";
import { type Captured, captured } from "./captured-world.ts";

const silent = { debug() {}, info() {}, warn() {}, error() {} };
let node: NodeHandle;
let folder = "";

async function startIn(name: string, listen: string): Promise<NodeHandle> {
  const flags = {
    id: "n1",
    dataDir: join(folder, name),
    listen,
    // A later start, at the address that was found free, knows its cluster.
    bootstrap: listen.endsWith(":0") ? "n1=127.0.0.1:1" : "",
    drainMs: "0",
  };
  const started = await startNode(parseNodeConfig(flags), { logger: silent });
  await started.serving;
  return started;
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "rollcall-cli-"));
  node = await startIn("n1", "127.0.0.1:0");
}, 30_000);

afterAll(async () => {
  await node.stop();
  await rm(folder, { recursive: true, force: true });
});

interface Ran extends Captured {
  readonly exitCode: Promise<number>;
}

function begin(...args: string[]): Ran {
  const capture = captured(args, { env: { ROLLCALL_SERVER: `ws://${node.address}` } });
  return { ...capture, exitCode: run(capture.world) };
}

async function finish(...args: string[]): Promise<{ exitCode: number; out: string; err: string }> {
  const { exitCode, out, err } = begin(...args);
  return { exitCode: await exitCode, out: out(), err: err() };
}

describe("register", () => {
  test("holds the instance until SIGINT, then it is gone, and the exit code is 130", async () => {
    const provider = begin(
      "register",
      "held",
      "a:1",
      "--meta",
      "k=v",
      "--weight",
      "5",
      "--zone",
      "z",
    );
    await provider.listening("SIGINT");
    expect(provider.out()).toMatch(
      /^registered held \(http\) at a:1; session [0-9a-f]{32}; Ctrl-C/,
    );
    const { out } = await finish("get", "held", "-o", "json");
    expect(JSON.parse(out).items).toMatchObject([
      { addr: "a:1", protocol: "http", meta: { k: "v" }, weight: 5, location: { zone: "z" } },
    ]);
    provider.raise("SIGINT");
    expect(await provider.exitCode).toBe(130);
    expect(JSON.parse((await finish("get", "held", "-o", "json")).out).items).toEqual([]);
  });

  test("SIGTERM is an orderly end: exit code 0", async () => {
    const provider = begin("register", "ordered", "a:1");
    await provider.listening("SIGTERM");
    provider.raise("SIGTERM");
    expect(await provider.exitCode).toBe(0);
  });

  test("has a versioned shape in json", async () => {
    const provider = begin("register", "shaped", "a:1", "--version", "1.2.3", "-o", "json");
    await provider.listening("SIGINT");
    expect(JSON.parse(provider.out())).toEqual({
      apiVersion: "v1",
      kind: "Registration",
      revision: expect.any(Number),
      session: expect.stringMatching(/^[0-9a-f]{32}$/),
      instance: {
        namespace: "default",
        application: "shaped",
        protocol: "http",
        addr: "a:1",
        version: "1.2.3",
      },
    });
    provider.raise("SIGINT");
    await provider.exitCode;
  });

  test("--persistent returns at once, and stays until it is deregistered", async () => {
    expect(
      await finish("register", "db", "a:5432", "--protocol", "pg", "--persistent"),
    ).toMatchObject({
      exitCode: 0,
      out: "registered db (pg) at a:5432; it stays until it is deregistered\n",
    });
    expect((await finish("get", "db")).out).toContain("persistent");
    expect((await finish("register", "db", "a:5432", "--protocol", "pg")).exitCode).toBe(4);
    expect((await finish("deregister", "db", "a:5432", "--protocol", "pg")).exitCode).toBe(0);
    expect((await finish("get", "db", "--format", "hostport")).out).toBe("");
  });

  test("--exec keeps it while the command runs and passes its exit code on", async () => {
    const script = "process.stdin.resume(); setTimeout(() => process.exit(42), 300)";
    const provider = begin("register", "child", "a:1", "--exec", process.execPath, "-e", script);
    await provider.listening("SIGTERM");
    const { out } = await finish("get", "child", "--format", "hostport");
    expect(out).toBe("a:1\n");
    expect(await provider.exitCode).toBe(42);
    expect((await finish("get", "child", "--format", "hostport")).out).toBe("");
    expect(provider.out()).toBe("");
  });

  test("--exec passes signals on, and a child that dies of one is 128 and its number", async () => {
    const idle = "setInterval(() => {}, 1000)";
    const provider = begin("register", "child", "a:2", "--exec", process.execPath, "-e", idle);
    await provider.listening("SIGTERM");
    provider.raise("SIGTERM");
    expect(await provider.exitCode).toBe(143);
  });

  test("--exec of what is no program is 127, and nothing stays registered", async () => {
    const { exitCode, err } = await finish("register", "child", "a:3", "--exec", "no-such-program");
    expect(exitCode).toBe(127);
    expect(err).toContain("no-such-program: not found");
    expect((await finish("get", "child", "--format", "hostport")).out).toBe("");
  });

  test("--exec takes its command's own flags, even those that rollcall has too", async () => {
    const script = "process.exit(process.argv.includes('--verbose') ? 9 : 1)";
    const args = ["--exec", process.execPath, "-e", script, "--", "--verbose", "-o", "x"];
    expect((await finish("register", "child", "a:4", ...args)).exitCode).toBe(9);
  });
});

describe("deregister", () => {
  test("of what is not there is 3", async () => {
    const { exitCode, err, out } = await finish("deregister", "none", "a:1");
    expect(exitCode).toBe(3);
    expect(out).toBe("");
    expect(err).toMatch(/^rollcall: there is no none \(http\) at a:1\nhint: /);
  });

  test("removes what another registered", async () => {
    const provider = begin("register", "evicted", "a:1");
    await provider.listening("SIGINT");
    const { exitCode, out } = await finish("deregister", "evicted", "a:1", "-o", "jsonl");
    expect(exitCode).toBe(0);
    expect(JSON.parse(out)).toEqual({
      apiVersion: "v1",
      kind: "Deregistration",
      key: { namespace: "default", application: "evicted", protocol: "http", addr: "a:1" },
    });
    provider.raise("SIGINT");
    await provider.exitCode;
  });
});

describe("get", () => {
  beforeAll(async () => {
    await finish("register", "web", "a:1", "--persistent", "--meta", "idc=x");
    await finish("register", "web", "a:2", "--persistent", "--protocol", "grpc");
  });

  test("is a table whose columns are those that say something", async () => {
    const { out, exitCode } = await finish("get", "web");
    expect(exitCode).toBe(0);
    expect(out).toBe(
      [
        "ADDR  PROTOCOL  STATUS  WEIGHT  META   OWNER",
        "a:2   grpc      up         100         persistent",
        "a:1   http      up         100  idc=x  persistent",
        "",
      ].join("\n"),
    );
  });

  test("is narrowed down by protocol and metadata", async () => {
    const addrs = async (...args: string[]) =>
      (await finish("get", "web", "--format", "hostport", ...args)).out;
    expect(await addrs()).toBe("a:2\na:1\n");
    expect(await addrs("--protocol", "grpc")).toBe("a:2\n");
    expect(await addrs("--meta", "idc=x")).toBe("a:1\n");
    expect(await addrs("-n", "elsewhere")).toBe("");
  });

  test("has versioned shapes in json and jsonl", async () => {
    const { out } = await finish("get", "web", "--protocol", "http", "-o", "json");
    const item = {
      namespace: "default",
      application: "web",
      protocol: "http",
      addr: "a:1",
      meta: { idc: "x" },
      weight: 100,
      status: "up",
      session: null,
      createdRevision: expect.any(Number),
      modifiedRevision: expect.any(Number),
      createdAtMs: expect.any(Number),
      modifiedAtMs: expect.any(Number),
    };
    expect(JSON.parse(out)).toEqual({
      apiVersion: "v1",
      kind: "InstanceList",
      revision: expect.any(Number),
      ageMs: 0,
      namespace: "default",
      application: "web",
      protocol: "http",
      items: [item],
    });
    const lines = (await finish("get", "web", "-o", "jsonl")).out.trimEnd().split("\n");
    expect(lines).toHaveLength(2);
    expect(JSON.parse(lines[1] ?? "")).toEqual({ apiVersion: "v1", kind: "Instance", ...item });
  });

  test("of nothing is an empty list, a note and exit code 0", async () => {
    const { exitCode, out, err } = await finish("get", "none");
    expect([exitCode, out, err]).toEqual([0, "", "no instances of none in namespace default\n"]);
    expect((await finish("get", "none", "-q")).err).toBe("");
    expect(JSON.parse((await finish("get", "none", "-o", "json")).out).items).toEqual([]);
  });

  test("a stale read says how old it may be", async () => {
    const { exitCode, err } = await finish("get", "web", "--read", "stale");
    expect(exitCode).toBe(0);
    expect(err).toMatch(/^revision \d+, at most \d+ ms old\n$/);
  });

  test("--format and -o json exclude each other", async () => {
    expect((await finish("get", "web", "--format", "hostport", "-o", "json")).exitCode).toBe(2);
  });

  test("where nobody answers is 6 within its time, and says what was tried", async () => {
    const { exitCode, err } = await finish("get", "web", "-s", "127.0.0.1:1", "--timeout", "300ms");
    expect(exitCode).toBe(6);
    expect(err).toMatch(
      /^rollcall: no node reached in 300 ms: ws:\/\/127\.0\.0\.1:1: connect ECONNREFUSED .*\nhint: 'rollcall dev'/,
    );
  });
});

describe("watch", () => {
  test("prints what there is and every change, and SIGINT ends it with 130", async () => {
    await finish("register", "seen", "a:1", "--persistent");
    const watch = begin("watch", "seen");
    await watch.seen(/= a:1/);
    await finish("register", "seen", "a:2", "--persistent");
    await watch.seen(/\+ a:2 {2}http/);
    await finish("register", "seen", "a:2", "--persistent", "--weight", "7");
    await watch.seen(/~ a:2 {2}http {2}up {2}weight 7/);
    await finish("deregister", "seen", "a:1");
    await watch.seen(/- a:1/);
    watch.raise("SIGINT");
    expect(await watch.exitCode).toBe(130);
    expect(watch.err()).toBe("watching seen in namespace default; Ctrl-C ends it\n");
  });

  test("is one event a line in jsonl", async () => {
    const watch = begin("watch", "lines", "-o", "jsonl");
    await watch.seen(/\n/);
    await finish("register", "lines", "a:1", "--persistent");
    await watch.seen(/\n.*\n/);
    await finish("deregister", "lines", "a:1");
    await watch.seen(/\n.*\n.*\n/);
    watch.raise("SIGINT");
    await watch.exitCode;
    const events = watch
      .out()
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line));
    const common = { apiVersion: "v1", kind: "WatchEvent", revision: expect.any(Number) };
    const change = { ...common, type: "change", collapsed: null };
    expect(events).toEqual([
      {
        ...common,
        type: "snapshot",
        reset: false,
        lineageChanged: false,
        ageMs: expect.any(Number),
        instances: [],
        put: [],
        remove: [],
      },
      { ...change, put: [expect.objectContaining({ addr: "a:1" })], remove: [] },
      { ...change, put: [], remove: [expect.objectContaining({ addr: "a:1" })] },
    ]);
  });

  test("ends quietly when nobody reads any more", async () => {
    const watch = begin("watch", "piped");
    await watch.seen(/0 instances/);
    watch.hangUp();
    expect(await watch.exitCode).toBe(0);
  });
});

describe("status and sessions of a real node", () => {
  test("name the node, and the session of a provider", async () => {
    const provider = begin("register", "listed", "a:1");
    await provider.listening("SIGINT");
    const { exitCode, out } = await finish("status");
    expect(exitCode).toBe(0);
    expect(out).toMatch(/^n1 {6}leader {3,}\d+/m);
    const sessions = JSON.parse((await finish("sessions", "-o", "json")).out);
    expect(sessions).toMatchObject({ apiVersion: "v1", kind: "SessionList" });
    expect(sessions.items).toEqual([expect.objectContaining({ owned: 1, ending: null })]);
    provider.raise("SIGINT");
    await provider.exitCode;
  });
});

describe("a node that goes and comes back", () => {
  test("keeps what a provider registered; one that lost its address meanwhile ends with 4", async () => {
    let other = await startIn("other", "127.0.0.1:0");
    const { address } = other;
    const at = (...args: string[]): Ran => begin(...args, "-s", address);
    const older = at("register", "taken", "a:1");
    await older.listening("SIGINT");
    const newer = at("register", "taken", "a:1", "--weight", "7");
    await newer.listening("SIGINT");
    await other.stop();
    other = await startIn("other", address);
    expect(await older.exitCode).toBe(4);
    expect(older.err()).toContain("rollcall: a:1 belongs to a newer session now");
    const list = at("get", "taken", "-o", "json");
    await list.exitCode;
    expect(JSON.parse(list.out()).items).toMatchObject([{ addr: "a:1", weight: 7 }]);
    newer.raise("SIGINT");
    expect(await newer.exitCode).toBe(130);
    await other.stop();
  }, 30_000);
});
