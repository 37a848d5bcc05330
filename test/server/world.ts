import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { WebSocket } from "ws";
import { freePorts } from "../../jepsen-lite/net/ports.ts";
import type { Logger } from "../../src/env/env.ts";
import { parseNodeConfig } from "../../src/server/config.ts";
import { type NodeHandle, startNode } from "../../src/server/node.ts";
import type { NodeEnvironment } from "../../src/server/node-environment.ts";

/** Lines of all nodes of a test, to be looked at when it fails. */
export class LogBook implements Logger {
  readonly lines: { level: string; fields: object; message: string }[] = [];
  readonly #awaited: { readonly text: RegExp; readonly resolve: () => void }[] = [];

  debug = (fields: object, message: string) => this.#add("debug", fields, message);
  info = (fields: object, message: string) => this.#add("info", fields, message);
  warn = (fields: object, message: string) => this.#add("warn", fields, message);
  error = (fields: object, message: string) => this.#add("error", fields, message);

  /** Resolves when a line says so. */
  said(text: RegExp): Promise<void> {
    return new Promise((resolve) => {
      if (this.lines.some(({ message }) => text.test(message))) resolve();
      else this.#awaited.push({ text, resolve });
    });
  }

  #add(level: string, fields: object, message: string): void {
    this.lines.push({ level, fields, message });
    for (const { text, resolve } of this.#awaited) {
      if (text.test(message)) resolve();
    }
    if (process.env["ROLLCALL_TEST_LOG"] !== undefined) {
      console.error(level, message, JSON.stringify(fields));
    }
  }
}

export async function temporaryDirectory(): Promise<string> {
  return mkdtemp(join(tmpdir(), "rollcall-server-"));
}

/** Nodes n1, n2, … on loopback, with directories of their own that outlive a restart. */
export class Cluster {
  /** Of the first members. */
  readonly names: readonly string[];
  readonly root: string;
  readonly log = new LogBook();
  readonly nodes = new Map<string, NodeHandle>();
  readonly #ports: readonly number[];

  private constructor(root: string, ports: readonly number[], size: number) {
    this.root = root;
    this.#ports = ports;
    this.names = ports.slice(0, size).map((_, i) => `n${i + 1}`);
  }

  /** With places for `spares` more nodes. */
  static async make(size: number, spares = 0): Promise<Cluster> {
    return new Cluster(await temporaryDirectory(), await freePorts(size + spares), size);
  }

  static async started(size: number, spares = 0): Promise<Cluster> {
    const cluster = await Cluster.make(size, spares);
    await Promise.all(cluster.names.map((name) => cluster.start(name)));
    await Promise.all([...cluster.nodes.values()].map((node) => node.serving));
    await cluster.until(() => cluster.names.every((name) => cluster.isReady(name)));
    return cluster;
  }

  address(name: string): string {
    return `127.0.0.1:${this.#ports[Number(name.slice(1)) - 1]}`;
  }

  dataDir(name: string): string {
    return join(this.root, name);
  }

  bootstrap(names: readonly string[] = this.names): string[] {
    return names.map((name) => `${name}=${this.address(name)}`);
  }

  async start(
    name: string,
    flags: Record<string, unknown> = {},
    environment: Partial<NodeEnvironment> = {},
  ): Promise<NodeHandle> {
    const config = parseNodeConfig({
      id: name,
      dataDir: this.dataDir(name),
      listen: this.address(name),
      bootstrap: this.bootstrap(),
      drainMs: 2_000,
      goawaySpreadMs: 0,
      ...flags,
    });
    const node = await startNode(config, { logger: this.log, ...environment });
    this.nodes.set(name, node);
    return node;
  }

  /** A node that is none of the first members. */
  join(name: string, flags: Record<string, unknown> = {}): Promise<NodeHandle> {
    return this.start(name, { bootstrap: [], join: this.address("n1"), ...flags });
  }

  /** Asks the leader, on the page for operators. */
  async operate(query: string): Promise<{ status: number; body: Record<string, unknown> }> {
    const url = `http://${this.address(this.leader())}/v1/members?${query}`;
    const response = await fetch(url, { method: "POST" });
    return { status: response.status, body: (await response.json()) as Record<string, unknown> };
  }

  /** As `by` knows it; null for who is no member. */
  membershipOf(name: string, by = this.leader()): "voter" | "learner" | null {
    const members = this.nodes.get(by)?.status()?.members ?? [];
    return members.find((member) => member.name === name)?.membership ?? null;
  }

  isReady(name: string): boolean {
    const status = this.nodes.get(name)?.status();
    return status?.leader != null && status.isCaughtUp;
  }

  leader(): string {
    for (const node of this.nodes.values()) {
      const leader = node.status()?.leader;
      if (leader != null) {
        return leader;
      }
    }
    throw new Error("no leader is known");
  }

  /** Looks again after each turn of the loop, up to a deadline. */
  async until(condition: () => boolean, timeoutMs = 10_000): Promise<void> {
    const endMs = performance.now() + timeoutMs;
    while (!condition()) {
      if (performance.now() > endMs) {
        throw new Error(`not within ${timeoutMs} ms: ${condition.toString()}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }

  async close(): Promise<void> {
    await Promise.all([...this.nodes.values()].map((node) => node.stop()));
    await rm(this.root, { recursive: true, force: true });
  }
}

export interface Closed {
  readonly code: number;
  readonly reason: string;
}

/** A bare WebSocket that keeps what it got until it is asked for. */
export class BareClient {
  readonly ws: WebSocket;
  readonly closed: Promise<Closed>;
  readonly #received: unknown[] = [];
  #wake: () => void = () => {};
  #isClosed = false;

  private constructor(ws: WebSocket, decode: (data: Buffer, isBinary: boolean) => unknown) {
    this.ws = ws;
    ws.on("message", (data, isBinary) => {
      const value = decode(data as Buffer, isBinary);
      this.#received.push(...(Array.isArray(value) ? value : [value]));
      this.#wake();
    });
    ws.on("error", () => {});
    this.closed = new Promise((resolve) => {
      ws.on("close", (code, reason) => {
        this.#isClosed = true;
        this.#wake();
        resolve({ code, reason: reason.toString("utf8") });
      });
    });
  }

  static async open(
    address: string,
    subprotocols: string[] = [],
    decode: (data: Buffer, isBinary: boolean) => unknown = (data) =>
      JSON.parse(data.toString("utf8")),
  ): Promise<BareClient> {
    const ws = new WebSocket(`ws://${address}`, subprotocols, { perMessageDeflate: false });
    const client = new BareClient(ws, decode);
    await new Promise<void>((resolve, reject) => {
      ws.once("open", () => resolve());
      ws.once("error", reject);
    });
    return client;
  }

  send(value: unknown): void {
    this.ws.send(JSON.stringify(value));
  }

  /** The next message for which `accepts` holds; others before it are dropped. */
  async next(
    accepts: (message: Record<string, unknown>) => boolean = () => true,
    timeoutMs = 10_000,
  ): Promise<Record<string, unknown>> {
    const endMs = performance.now() + timeoutMs;
    for (;;) {
      for (
        let found = this.#received.shift();
        found !== undefined;
        found = this.#received.shift()
      ) {
        if (accepts(found as Record<string, unknown>)) {
          return found as Record<string, unknown>;
        }
      }
      if (this.#isClosed) {
        throw new Error("closed before the message came");
      }
      const leftMs = endMs - performance.now();
      if (leftMs <= 0) {
        throw new Error(`no such message within ${timeoutMs} ms`);
      }
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, leftMs);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }

  async close(): Promise<void> {
    this.ws.close(1000);
    await this.closed;
  }
}

export const HELLO = {
  type: "hello",
  versions: [1],
  client: { name: "test", version: "1", language: "none" },
};
