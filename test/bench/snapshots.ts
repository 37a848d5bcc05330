/**
 * `npm run bench:snapshots`: what a large registry costs three real nodes. A number of instances is
 * registered, in sessions of equal size and commands of 250; then they are registered again and
 * again with another meta, so that the log outgrows the state: while all nodes run, while n3 is
 * away, and while it comes back. Last, all are killed and started.
 *
 *   npm run bench:snapshots -- [--instances 1000000] [--changes 1000000]
 *
 * `--changes`: registrations of each phase. Logs are in `bench-results/`.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { freePorts } from "../../jepsen-lite/net/ports.ts";
import { Children } from "./children.ts";
import { statusOf } from "./clusters.ts";
import { LoadConnection } from "./load-connection.ts";
import { NAMES, Nodes } from "./nodes.ts";
import { machineOf } from "./report.ts";

const RUN_MS_MAX = 1_200_000;
const SESSIONS = 20;
const PER_COMMAND = 250;
const AWAY = 2;

interface Phase {
  readonly rate: number;
  readonly longestGapMs: number;
}

/** One provider; its instances are its own, and each round registers all of them anew. */
class Provider {
  readonly #connection: LoadConnection;
  readonly #number: number;
  readonly #instances: number;
  #registered = 0;

  constructor(connection: LoadConnection, number: number, instances: number) {
    this.#connection = connection;
    this.#number = number;
    this.#instances = instances;
  }

  async register(): Promise<number> {
    const instances = Array.from({ length: PER_COMMAND }, () => this.#next());
    await this.#connection.write((id, seq) => {
      return { type: "register", id, seq, low: seq, timeoutMs: 60_000, instances };
    });
    return instances.length;
  }

  close(): void {
    this.#connection.close();
  }

  #next() {
    const at = this.#registered % this.#instances;
    const round = Math.floor(this.#registered / this.#instances);
    this.#registered += 1;
    return {
      application: at % 10 === 0 ? "big" : `app-${at % 900}`,
      protocol: "http",
      addr: `10.${this.#number}.${at >> 8}.${at & 255}:8080`,
      meta: { idc: "shanghai", tag: "read", round: String(round) },
    };
  }
}

async function phase(providers: readonly Provider[], count: number): Promise<Phase> {
  const startedMs = performance.now();
  let [asked, lastMs, longestGapMs] = [0, startedMs, 0];
  const drive = async (provider: Provider): Promise<void> => {
    while (asked < count) {
      asked += PER_COMMAND;
      await provider.register();
      const nowMs = performance.now();
      longestGapMs = Math.max(longestGapMs, nowMs - lastMs);
      lastMs = nowMs;
    }
  };
  await Promise.all(providers.map(drive));
  return { rate: (asked * 1000) / (performance.now() - startedMs), longestGapMs };
}

function tell(what: string, { rate, longestGapMs }: Phase): void {
  const perSecond = Math.round(rate).toLocaleString("en");
  console.log(`| ${what} | ${perSecond}/s | ${longestGapMs.toFixed(0)} ms |`);
}

/** Resident memory of a node, in MB. */
function residentOf(pid: number): string {
  const [line = ""] = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
  return (Number(line.replace(/\D/g, "")) / 1024).toFixed(0);
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      instances: { type: "string", default: "1000000" },
      changes: { type: "string", default: "1000000" },
    },
  });
  const [instances, changes] = [Number(values.instances), Number(values.changes)];
  const results = fileURLToPath(new URL("../../../bench-results", import.meta.url));
  mkdirSync(results, { recursive: true });
  const data = mkdtempSync(join(results, "snapshots-"));
  const children = new Children();
  process.on("exit", () => rmSync(data, { recursive: true, force: true, maxRetries: 5 }));
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => process.exit(130));
  setTimeout(() => {
    process.stderr.write("the run hangs; it is given up\n");
    process.exit(1);
  }, RUN_MS_MAX).unref();
  const ports = await freePorts(NAMES.length);
  const nodes = new Nodes(children, "snapshots", { data, logs: results, ports });
  await nodes.settled();
  const failed = (error: Error): never => {
    throw error;
  };
  const providers = await Promise.all(
    Array.from({ length: SESSIONS }, async (_, number) => {
      const connection = await LoadConnection.connect(nodes.url(number % AWAY), failed);
      await connection.openSession();
      return new Provider(connection, number, instances / SESSIONS);
    }),
  );
  console.log(`${machineOf(data)}\n\n| phase | registrations | longest gap |\n|---|---|---|`);
  tell(`${instances.toLocaleString("en")} instances come`, await phase(providers, instances));
  tell("all change", await phase(providers, changes));
  nodes.signal(AWAY, "SIGKILL");
  await nodes.exited(AWAY);
  tell("n3 is away", await phase(providers, changes));
  nodes.start(AWAY);
  const backMs = performance.now();
  const back = caughtUp(nodes.address(AWAY)).then(() => performance.now() - backMs);
  tell("n3 comes back", await phase(providers, changes));
  console.log(`\nn3 has caught up after ${((await back) / 1000).toFixed(1)} s`);
  for (const [i, name] of NAMES.entries()) {
    console.log(`${name}: ${residentOf(nodes.pid(i))} MB resident`);
  }
  for (const provider of providers) provider.close();
  for (const i of NAMES.keys()) nodes.signal(i, "SIGKILL");
  await Promise.all(NAMES.map((_, i) => nodes.exited(i)));
  const startMs = performance.now();
  for (const i of NAMES.keys()) nodes.start(i);
  await nodes.settled();
  console.log(
    `all three ready ${((performance.now() - startMs) / 1000).toFixed(1)} s after a start`,
  );
  await children.stopAll();
}

async function caughtUp(address: string): Promise<void> {
  while ((await statusOf(address))?.isCaughtUp !== true) await sleep(50);
}

await main();
process.exit(0);
