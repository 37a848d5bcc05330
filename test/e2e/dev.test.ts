import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { until } from "../../jepsen-lite/real/wait.ts";
import { Inbox, within } from "./wait.ts";

const BIN = fileURLToPath(new URL("../../bin/rollcall.js", import.meta.url));
const BOOT_MS_MAX = 30_000;
const ANSWER_MS_MAX = 15_000;
const STOP_MS_MAX = 15_000;
const NODES = 3;

/** A `rollcall` of a person: lines come as they are printed, signals go in, one exit comes out. */
class Program {
  readonly lines = new Inbox<string>();
  readonly errors: string[] = [];
  readonly exit: Promise<number | null>;
  readonly #child: ChildProcess;

  constructor(command: string, args: readonly string[], cwd: string, shell = false) {
    this.#child = spawn(command, [...args], {
      cwd,
      shell,
      env: { ...process.env, NO_COLOR: "1" },
      stdio: ["ignore", "pipe", "pipe"],
    });
    const { stdout, stderr } = this.#child;
    if (stdout === null || stderr === null) {
      throw new Error("the pipes are missing");
    }
    createInterface({ input: stdout }).on("line", (line) => this.lines.push(line));
    createInterface({ input: stderr }).on("line", (line) => this.errors.push(line));
    this.exit = new Promise((resolve) => this.#child.on("close", resolve));
  }

  signal(name: NodeJS.Signals): void {
    this.#child.kill(name);
  }

  line(pattern: RegExp, ms = ANSWER_MS_MAX): Promise<string> {
    const what = `${pattern}; stderr: ${this.errors.join(" | ")}`;
    return this.lines.next(ms, what, (line) => pattern.test(line));
  }

  ended(ms = STOP_MS_MAX): Promise<number | null> {
    return within(ms, "the program to end", this.exit);
  }
}

interface DevEvent {
  readonly type: string;
  readonly leader: string | null;
  readonly node: string;
  readonly code: number | null;
  readonly signal: string | null;
  readonly dir: string;
  readonly nodes: readonly {
    readonly name: string;
    readonly address: string;
    readonly pid: number;
  }[];
  readonly try: readonly string[];
}

let folder = "";
let port = 0;
const programs: Program[] = [];
const pids = new Set<number>();

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "rollcall-e2e-dev-"));
  port = await portsInARow(NODES);
});

/** Only what this test started, each by its id. */
afterEach(async () => {
  for (const program of programs.splice(0)) {
    program.signal("SIGKILL");
    await program.ended();
  }
  for (const pid of pids) {
    if (isAlive(pid)) {
      process.kill(pid, "SIGKILL");
    }
  }
  pids.clear();
  rmSync(folder, { recursive: true, force: true });
});

async function portsInARow(count: number): Promise<number> {
  for (let attempt = 0; attempt < 50; attempt += 1) {
    const first = 20_000 + Math.floor(Math.random() * 10_000);
    const all = Array.from({ length: count }, (_, at) => isFree(first + at));
    if ((await Promise.all(all)).every((free) => free)) {
      return first;
    }
  }
  throw new Error(`no ${count} free ports in a row`);
}

function isFree(candidate: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen(candidate, "127.0.0.1", () => server.close(() => resolve(true)));
  });
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

async function allGone(): Promise<void> {
  for (const pid of pids) {
    await until(STOP_MS_MAX, `process ${pid} to be gone`, async () => (isAlive(pid) ? null : true));
  }
}

function begin(...args: string[]): Program {
  const program = new Program(process.execPath, [BIN, ...args], folder);
  programs.push(program);
  return program;
}

async function rollcall(
  ...args: string[]
): Promise<{ code: number | null; out: string[]; err: string }> {
  const program = begin(...args, "-s", `127.0.0.1:${port}`);
  const code = await program.ended(BOOT_MS_MAX);
  return { code, out: [...program.lines.items], err: program.errors.join("\n") };
}

async function event(program: Program, type: string, ms = BOOT_MS_MAX): Promise<DevEvent> {
  const line = await program.line(new RegExp(`"type":"${type}"`), ms);
  return JSON.parse(line) as DevEvent;
}

async function boot(...args: string[]): Promise<{ dev: Program; ready: DevEvent }> {
  const dev = begin("dev", "--port", String(port), "-o", "jsonl", ...args);
  const ready = await event(dev, "ready");
  for (const { pid } of ready.nodes) {
    pids.add(pid);
  }
  return { dev, ready };
}

describe("rollcall dev", () => {
  test("boots a cluster in which every command works, and Ctrl-C leaves nothing behind", async () => {
    const { dev, ready } = await boot("--ephemeral");
    const { dir } = await event(dev, "starting");
    expect(ready.nodes.map(({ name }) => name)).toEqual(["n1", "n2", "n3"]);
    expect(ready.nodes.map(({ name }) => name)).toContain(ready.leader);

    const status = await rollcall("status");
    expect(status.code, status.err).toBe(0);
    expect(status.out).toHaveLength(1 + NODES);
    expect(status.out.filter((line) => / leader /.test(line))).toHaveLength(1);

    const watch = begin("watch", "web", "-s", `127.0.0.1:${port + 1}`);
    await watch.line(/0 instances/);

    const ask = `"${process.execPath}" "${BIN}" get web --format hostport -s 127.0.0.1:${port + 2}`;
    const exec = ["--exec", "sh", "-c", `${ask}; exit 42`];
    const provider = begin("register", "web", "127.0.0.1:8080", "-s", `127.0.0.1:${port}`, ...exec);
    expect(await provider.line(/^127/)).toBe("127.0.0.1:8080");
    expect(await provider.ended()).toBe(42);
    await watch.line(/\+ 127\.0\.0\.1:8080/);
    await watch.line(/- 127\.0\.0\.1:8080/);
    expect((await rollcall("get", "web")).err).toContain("no instances of web");
    watch.signal("SIGINT");
    expect(await watch.ended()).toBe(130);

    dev.signal("SIGINT");
    await event(dev, "stopped", STOP_MS_MAX);
    expect(await dev.ended()).toBe(0);
    await allGone();
    expect(existsSync(dir)).toBe(false);
    expect((await rollcall("status")).code).toBe(6);
  });

  test("prints three commands to try next, and each of them works as it stands", async () => {
    const dev = begin("dev", "--ephemeral", "--port", String(port));
    for (let at = 0; at < NODES; at += 1) {
      const line = await dev.line(/ws:\/\/127\.0\.0\.1:\d+ {2}pid \d+/, BOOT_MS_MAX);
      pids.add(Number(/pid (\d+)/.exec(line)?.[1]));
    }
    await dev.line(/^n[123] leads in term \d+\.$/);
    await dev.line(/^Try next/);
    const typed = [
      await dev.line(/ status /),
      await dev.line(/ watch /),
      await dev.line(/ register /),
    ];
    const [status, watch, register] = typed.map((line) => {
      const program = new Program(`exec ${line.trim()}`, [], folder, true);
      programs.push(program);
      return program;
    });
    await status?.line(/ leader /);
    expect(await status?.ended()).toBe(0);
    await watch?.line(/revision \d+: /);
    await register?.line(/^registered hello/);
    await watch?.line(/[+=] 127\.0\.0\.1:8080/);
    dev.signal("SIGTERM");
    expect(await dev.ended()).toBe(0);
    await allGone();
  });

  test("a node that dies is reported, the others go on, and a killed dev stops them", async () => {
    const { dev, ready } = await boot("--ephemeral");
    const victim = ready.nodes.find(({ name }) => name === ready.leader);
    process.kill(victim?.pid ?? 0, "SIGKILL");
    const died = await event(dev, "died");
    expect([died.node, died.code, died.signal]).toEqual([ready.leader, null, "SIGKILL"]);
    const told = `rollcall: ${ready.leader} was killed by SIGKILL (its log: `;
    await until(ANSWER_MS_MAX, told, async () =>
      dev.errors.some((line) => line.startsWith(told)) ? true : null,
    );
    const others = ready.nodes.filter(({ name }) => name !== ready.leader);
    port = Number(others[0]?.address.split(":")[1]);
    await until(BOOT_MS_MAX, "a new leader", async () => {
      const { code, out } = await rollcall("status", "-o", "json", "-q");
      return code === 0 && JSON.parse(out.join("")).leader !== ready.leader ? true : null;
    });
    expect((await rollcall("register", "x", "127.0.0.1:1", "--persistent")).code).toBe(0);
    dev.signal("SIGKILL");
    await dev.ended();
    await allGone();
    const { dir } = await event(dev, "starting");
    rmSync(dir, { recursive: true, force: true });
  });

  test("a member whose directory is damaged is named with the advice to keep it, and the others serve", async () => {
    const first = await boot("--data", "hurt");
    first.dev.signal("SIGINT");
    expect(await first.dev.ended()).toBe(0);
    await allGone();
    for (const copy of ["vote-a", "vote-b"]) {
      writeFileSync(join(folder, "hurt", "n1", copy), "garbage");
    }
    const { dev, ready } = await boot("--data", "hurt");
    expect(await event(dev, "died")).toMatchObject({ node: "n1", code: 74 });
    const advice = `Keep ${join(folder, "hurt", "n1")}, moved aside`;
    await until(ANSWER_MS_MAX, advice, async () =>
      dev.errors.some((line) => line.startsWith("hint: ") && line.includes(advice)) ? true : null,
    );
    port += 1;
    expect((await rollcall("register", "x", "127.0.0.1:1", "--persistent")).code).toBe(0);
    // Whoever types what is printed there asks a node that runs.
    const server = ` -s ${ready.nodes[0]?.address}`;
    expect(ready.try.every((line) => line.endsWith(server))).toBe(true);
    dev.signal("SIGINT");
    expect(await dev.ended()).toBe(0);
    await allGone();
  });

  test("keeps its data between starts, on other ports too, and refuses another size", async () => {
    const first = await boot("--data", "kept");
    expect((await rollcall("register", "x", "127.0.0.1:1", "--persistent")).code).toBe(0);
    first.dev.signal("SIGINT");
    expect(await first.dev.ended()).toBe(0);
    await allGone();
    const wrong = await rollcall("dev", "--data", "kept", "--nodes", "5");
    expect([wrong.code, wrong.err]).toEqual([
      78,
      expect.stringContaining("a cluster of 3, not of 5"),
    ]);
    port = await portsInARow(NODES);
    const second = await boot("--data", "kept");
    const { code, out } = await rollcall("get", "x", "--format", "hostport");
    expect([code, out]).toEqual([0, ["127.0.0.1:1"]]);
    const busy = begin("dev", "--data", "other", "--port", String(port));
    expect(await busy.ended()).toBe(78);
    expect(busy.errors.join("\n")).toContain("--port");
    second.dev.signal("SIGINT");
    expect(await second.dev.ended()).toBe(0);
    await allGone();
  });
});
