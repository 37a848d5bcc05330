import type { ChildProcess } from "node:child_process";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { NodeStatus } from "../../src/server/status.ts";
import type { Children } from "./children.ts";
import { statusOf } from "./clusters.ts";

const SETTLE_MS_MAX = 120_000;

export const NAMES = ["n1", "n2", "n3"] as const;

/** Three nodes that can be killed and started again, each on a directory of its own. */
export class Nodes {
  readonly #children: Children;
  readonly #args: readonly (readonly string[])[];
  readonly #addresses: readonly string[];
  readonly #logs: string;
  readonly #run: string;
  readonly #processes: ChildProcess[] = [];

  /** `run`: what the names of its log files begin with. */
  constructor(
    children: Children,
    run: string,
    { data, logs, ports }: { data: string; logs: string; ports: readonly number[] },
  ) {
    this.#children = children;
    this.#run = run;
    this.#logs = logs;
    this.#addresses = ports.map((port) => `127.0.0.1:${port}`);
    const bootstrap = NAMES.map((name, i) => `${name}=${this.#addresses[i]}`).join(",");
    const bin = fileURLToPath(new URL("../../../bin/rollcall.js", import.meta.url));
    this.#args = NAMES.map((name, i) => [
      ...[bin, "start", "--id", name, "--data", join(data, name)],
      ...["--listen", this.#addresses[i]!, "--bootstrap", bootstrap],
    ]);
    for (const i of NAMES.keys()) this.start(i);
  }

  start(i: number): void {
    const log = join(this.#logs, `${this.#run}-${NAMES[i]}.log`);
    this.#processes[i] = this.#children.start(this.#args[i]!, log);
  }

  url(i: number): string {
    return `ws://${this.#addresses[i]}`;
  }

  address(i: number): string {
    return this.#addresses[i]!;
  }

  pid(i: number): number {
    return this.#processes[i]!.pid!;
  }

  signal(i: number, signal: NodeJS.Signals): void {
    this.#processes[i]!.kill(signal);
  }

  exited(i: number): Promise<void> {
    const child = this.#processes[i]!;
    if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
    return new Promise((resolve) => child.once("exit", () => resolve()));
  }

  /** The leader's number, once all three follow it and have caught up. */
  async settled(): Promise<number> {
    const deadlineMs = performance.now() + SETTLE_MS_MAX;
    while (performance.now() < deadlineMs) {
      const statuses = await Promise.all(this.#addresses.map(statusOf));
      if (isSettled(statuses)) {
        return NAMES.map(String).indexOf(statuses[0]?.leader ?? "");
      }
      await sleep(20);
    }
    throw new Error(`no settled cluster within ${SETTLE_MS_MAX} ms, see the logs in ${this.#logs}`);
  }
}

function isSettled(statuses: readonly (NodeStatus | null)[]): boolean {
  const leaders = new Set(statuses.map((status) => status?.leader ?? null));
  return leaders.size === 1 && statuses.every((status) => status?.isCaughtUp === true);
}
