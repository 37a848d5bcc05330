import { type ChildProcess, spawn } from "node:child_process";
import { createWriteStream } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Edges } from "../../jepsen-lite/net/edges.ts";
import { freePorts } from "../../jepsen-lite/net/ports.ts";
import { Prng } from "../../jepsen-lite/prng.ts";
import { until } from "../../jepsen-lite/real/wait.ts";
import type { MemberStatus, NodeStatus } from "../../src/server/status.ts";
import { within } from "./wait.ts";

export const BIN = fileURLToPath(new URL("../../bin/rollcall.js", import.meta.url));
const START_MS_MAX = 20_000;
const STOP_MS_MAX = 15_000;

/** The built command, run to its end. */
export async function rollcall(
  args: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<{ readonly code: number | null; readonly out: string; readonly err: string }> {
  const child = spawn(process.execPath, [BIN, ...args], {
    env: { ...process.env, ...env, NO_COLOR: "1" },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const said = { out: "", err: "" };
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    said.out += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    said.err += text;
  });
  const ended = new Promise<number | null>((resolve) => child.on("close", resolve));
  return { code: await within(STOP_MS_MAX, `rollcall ${args[0]}`, ended), ...said };
}

interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface LogLine {
  readonly level: string;
  readonly msg: string;
  readonly peer?: string;
}

/** One `rollcall start`, as its own process on its own directory. */
export class ClusterNode {
  readonly name: string;
  readonly port: number;
  readonly dataDir: string;
  readonly #args: readonly string[];
  /** What stands before its command. */
  readonly #enter: readonly string[];
  readonly #logPath: string;
  #process: ChildProcess | null = null;
  #exit: Promise<Exit> | null = null;

  /** Everything of it is in `directory`. */
  constructor(
    name: string,
    port: number,
    directory: string,
    args: readonly string[],
    enter: readonly string[] = [],
  ) {
    this.name = name;
    this.port = port;
    this.dataDir = join(directory, name);
    this.#args = ["--id", name, "--data", this.dataDir, ...args];
    this.#enter = enter;
    this.#logPath = join(directory, `${name}.log`);
  }

  get url(): string {
    return `ws://127.0.0.1:${this.port}`;
  }

  get http(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  get isRunning(): boolean {
    return this.#process?.exitCode === null && this.#process.signalCode === null;
  }

  /** With other flags than before, where some are given. */
  start(args: readonly string[] = this.#args): void {
    const [file = "", ...rest] = [...this.#enter, process.execPath, BIN, "start", ...args];
    const child = spawn(file, rest, { stdio: ["ignore", "ignore", "pipe"] });
    child.stderr?.pipe(createWriteStream(this.#logPath, { flags: "a" }));
    this.#process = child;
    this.#exit = new Promise((resolve) => {
      child.on("exit", (code, signal) => resolve({ code, signal }));
    });
  }

  signal(signal: NodeJS.Signals): void {
    if (this.isRunning) {
      this.#process?.kill(signal);
    }
  }

  async kill(): Promise<void> {
    this.signal("SIGKILL");
    await this.exited();
  }

  async exited(): Promise<Exit> {
    return await within(
      STOP_MS_MAX,
      `${this.name} to end`,
      this.#exit ?? Promise.resolve({ code: 0, signal: null }),
    );
  }

  /** Its log so far, an object a line. */
  async log(): Promise<readonly LogLine[]> {
    const text = await readFile(this.#logPath, "utf8");
    const lines = text.slice(0, text.lastIndexOf("\n") + 1).split("\n");
    return lines.filter((line) => line !== "").map((line) => JSON.parse(line) as LogLine);
  }

  /** What its log says of errors. */
  async errors(): Promise<string> {
    const lines = (await this.log()).filter(({ level }) => level === "error");
    return lines.map(({ msg }) => msg).join("\n");
  }

  /** As it knows them; none while it does not answer. */
  async members(): Promise<readonly MemberStatus[]> {
    return (await this.status())?.members ?? [];
  }

  /** Resolves when it is a voter, and has caught up. */
  async votes(): Promise<void> {
    await until(START_MS_MAX, `${this.name} to vote`, async () => {
      const status = await this.status();
      const membership = status?.members.find(({ isSelf }) => isSelf)?.membership;
      return membership === "voter" && status?.isCaughtUp === true ? true : null;
    });
  }

  /** What it says of itself at `/readyz`; null while it does not answer. */
  async readiness(): Promise<{ readonly isReady: boolean; readonly text: string } | null> {
    try {
      const signal = AbortSignal.timeout(1_000);
      const response = await fetch(`${this.http}/readyz?verbose`, { signal });
      return { isReady: response.ok, text: await response.text() };
    } catch {
      return null;
    }
  }

  /** Null while it does not answer, or serves nobody yet. */
  async status(): Promise<NodeStatus | null> {
    try {
      const signal = AbortSignal.timeout(1_000);
      const response = await fetch(`${this.http}/v1/status`, { signal });
      return response.ok ? ((await response.json()) as NodeStatus) : null;
    } catch {
      return null;
    }
  }
}

interface Surroundings {
  readonly flags: readonly string[];
  /** What stands before the command of each node. */
  readonly enter: readonly string[];
}

/** Three real nodes over the built `bin`, every directed edge between them through a proxy. */
export class Cluster {
  readonly nodes: ClusterNode[];
  readonly #directory: string;
  readonly #edges: Edges;

  private constructor(nodes: ClusterNode[], directory: string, edges: Edges) {
    this.nodes = nodes;
    this.#directory = directory;
    this.#edges = edges;
  }

  /** `prepare`: what the nodes are to find in the directory that holds theirs. */
  static async start(
    prepare: (directory: string, names: readonly string[]) => Promise<Surroundings> = async () => ({
      flags: [],
      enter: [],
    }),
  ): Promise<Cluster> {
    const directory = await mkdtemp(join(tmpdir(), "rollcall-e2e-"));
    const names = ["n1", "n2", "n3"];
    const { flags, enter } = await prepare(directory, names);
    const ports = await freePorts(names.length);
    const members = names.map((name, i) => ({ name, port: ports[i] ?? 0 }));
    const bootstrap = members.map(({ name, port }) => `${name}=127.0.0.1:${port}`).join(",");
    const targets = new Map(members.map(({ name, port }) => [name, port]));
    const edges = await Edges.lay({ targets, prng: new Prng(1) });
    const nodes: ClusterNode[] = [];
    for (const { name, port } of members) {
      const args = ["--listen", `127.0.0.1:${port}`, "--bootstrap", bootstrap, ...flags];
      for (const peer of members) {
        if (peer.name !== name) {
          args.push("--peer", `${peer.name}=${edges.address(name, peer.name)}`);
        }
      }
      nodes.push(new ClusterNode(name, port, directory, args, enter));
    }
    const cluster = new Cluster(nodes, directory, edges);
    for (const node of nodes) {
      node.start();
    }
    await cluster.leader();
    return cluster;
  }

  /** Starts one more. */
  add(name: string, port: number, args: readonly string[]): ClusterNode {
    const node = new ClusterNode(name, port, this.#directory, args);
    this.nodes.push(node);
    node.start();
    return node;
  }

  dataDir(name: string): string {
    return join(this.#directory, name);
  }

  get urls(): string[] {
    return this.nodes.map((node) => node.url);
  }

  node(name: string): ClusterNode {
    const node = this.nodes.find((candidate) => candidate.name === name);
    if (node === undefined) {
      throw new Error(`no node ${name}`);
    }
    return node;
  }

  /** The node that a majority of all agree to follow, once every running one has caught up. */
  async leader(): Promise<ClusterNode> {
    return await until(START_MS_MAX, "a leader that all follow", async () => {
      const running = this.nodes.filter((node) => node.isRunning);
      const statuses = await Promise.all(running.map((node) => node.status()));
      const names = new Set(statuses.map((status) => status?.leader ?? null));
      const [name] = names;
      const isSettled = names.size === 1 && statuses.every((status) => status?.isCaughtUp === true);
      return isSettled && name != null && statuses.length >= 2 ? this.node(name) : null;
    });
  }

  async followers(): Promise<readonly [ClusterNode, ClusterNode]> {
    const leader = await this.leader();
    const [first, second] = this.nodes.filter((node) => node !== leader);
    if (first === undefined || second === undefined) {
      throw new Error("a cluster of three has two followers");
    }
    return [first, second];
  }

  /** What it sends to the others, and they to it, does not arrive before `heal`. */
  cutOff({ name }: ClusterNode): void {
    for (const other of this.#edges.names.filter((one) => one !== name)) {
      this.#edges.set(name, other, { type: "hold" });
      this.#edges.set(other, name, { type: "hold" });
    }
  }

  /** Every connection between two nodes, at once. */
  resetLinks(): void {
    this.#edges.resetAll();
  }

  heal(): void {
    this.#edges.calm();
  }

  async stop(): Promise<void> {
    for (const node of this.nodes) {
      node.signal("SIGCONT");
      node.signal("SIGKILL");
    }
    await Promise.all(this.nodes.map((node) => node.exited()));
    await this.#edges.close();
    await rm(this.#directory, { recursive: true, force: true });
  }
}
