/**
 * `npm run bench:failover`: how long writing stops when the leader of three real nodes is killed
 * (SIGKILL), stands still (SIGSTOP) or is told to stop (SIGTERM). Two writers of the client library
 * write all the time, one write after the other: one is connected to a follower, the other to the
 * leader itself, which it has to leave first. What is told is the longest time between two
 * acknowledged writes of each.
 *
 *   npm run bench:failover -- [--kill 30] [--term 10] [--stop 5]
 *
 * Logs and the figures of every round are in `bench-results/`.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { freePorts } from "../../jepsen-lite/net/ports.ts";
import { connect, type RollcallClient } from "../../src/client/index.ts";
import { Children } from "./children.ts";
import { NAMES, Nodes } from "./nodes.ts";
import { machineOf } from "./report.ts";
import { percentile } from "./statistics.ts";

/** Something hangs: everything is killed. */
const RUN_MS_MAX = 900_000;
/** Of writing before the fault, and after both writers write again. */
const BEFORE_MS = 400;
const AFTER_MS = 400;
/** Longer than any gap that is still a figure. */
const GAP_MS_MAX = 30_000;
const PAUSE_MS = 1;

type Fault = "SIGKILL" | "SIGTERM" | "SIGSTOP";

interface Round {
  readonly fault: Fault;
  readonly followerGapMs: number;
  readonly leaderGapMs: number;
}

/** One write after the other, and when each was acknowledged. */
class Writer {
  readonly #client: RollcallClient;
  readonly #acknowledgedAtMs: number[] = [];
  readonly #writing: Promise<void>;
  #isStopped = false;

  private constructor(client: RollcallClient, host: string) {
    this.#client = client;
    this.#writing = this.#write(host);
  }

  static async at(url: string, host: string): Promise<Writer> {
    const client = await connect({ servers: [url] });
    await client.ready();
    return new Writer(client, host);
  }

  get lastMs(): number {
    return this.#acknowledgedAtMs.at(-1) ?? 0;
  }

  /** Between two neighbouring acknowledgements, the later of which came after `fromMs`. */
  longestGapMs(fromMs: number): number {
    const times = this.#acknowledgedAtMs;
    return Math.max(...times.map((at, i) => (at < fromMs || i === 0 ? 0 : at - times[i - 1]!)));
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#writing;
    await this.#client.close();
  }

  async #write(host: string): Promise<void> {
    for (let port = 1; !this.#isStopped; port++) {
      const addr = `${host}:${port}`;
      try {
        await this.#client.provider.register({ application: "failover", protocol: "http", addr });
        this.#acknowledgedAtMs.push(performance.now());
      } catch {
        // Not acknowledged: part of the gap.
      }
      await sleep(PAUSE_MS);
    }
  }
}

async function roundOf(nodes: Nodes, fault: Fault): Promise<Round> {
  const leader = await nodes.settled();
  const follower = (leader + 1) % NAMES.length;
  const writers = await Promise.all([
    Writer.at(nodes.url(follower), "follower.example"),
    Writer.at(nodes.url(leader), "leader.example"),
  ]);
  await sleep(BEFORE_MS);
  const faultMs = performance.now();
  nodes.signal(leader, fault);
  // An acknowledgement that was on its way is none of the next leader's: the gap begins behind it.
  await sleep(BEFORE_MS);
  const deadlineMs = faultMs + GAP_MS_MAX;
  const isOver = (): boolean =>
    writers.every((writer) => performance.now() - writer.lastMs < PAUSE_MS + 50);
  while (!isOver() && performance.now() < deadlineMs) await sleep(20);
  if (fault === "SIGSTOP") nodes.signal(leader, "SIGCONT");
  else await nodes.exited(leader);
  await sleep(AFTER_MS);
  const [followerGapMs, leaderGapMs] = writers.map((writer) => writer.longestGapMs(faultMs));
  await Promise.all(writers.map((writer) => writer.stop()));
  if (fault !== "SIGSTOP") nodes.start(leader);
  return { fault, followerGapMs: followerGapMs!, leaderGapMs: leaderGapMs! };
}

function lineOf(fault: Fault, rounds: readonly Round[]): string {
  const cells = (gaps: readonly number[]): string[] =>
    [percentile(gaps, 50), percentile(gaps, 99), Math.max(...gaps)].map((ms) => ms.toFixed(0));
  return `| ${[
    fault,
    String(rounds.length),
    ...cells(rounds.map(({ followerGapMs }) => followerGapMs)),
    ...cells(rounds.map(({ leaderGapMs }) => leaderGapMs)),
  ].join(" | ")} |`;
}

function tableOf(rounds: readonly Round[]): string {
  const faults = [...new Set(rounds.map(({ fault }) => fault))];
  return [
    "| fault | rounds | at a follower: p50 ms | p99 ms | max ms | at the leader: p50 ms | p99 ms | max ms |",
    "|---|---|---|---|---|---|---|---|",
    ...faults.map((fault) =>
      lineOf(
        fault,
        rounds.filter((round) => round.fault === fault),
      ),
    ),
  ].join("\n");
}

function countsOf(): readonly (readonly [Fault, number])[] {
  const { values } = parseArgs({
    options: {
      kill: { type: "string", default: "30" },
      term: { type: "string", default: "10" },
      stop: { type: "string", default: "5" },
    },
  });
  return [
    ["SIGKILL", Number(values.kill)],
    ["SIGTERM", Number(values.term)],
    ["SIGSTOP", Number(values.stop)],
  ];
}

async function main(): Promise<void> {
  const counts = countsOf();
  const results = fileURLToPath(new URL("../../../bench-results", import.meta.url));
  mkdirSync(results, { recursive: true });
  const data = mkdtempSync(join(results, "failover-"));
  const children = new Children();
  process.on("exit", () => rmSync(data, { recursive: true, force: true, maxRetries: 5 }));
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => process.exit(130));
  setTimeout(() => {
    process.stderr.write("the run hangs; it is given up\n");
    process.exit(1);
  }, RUN_MS_MAX).unref();
  const machine = machineOf(data);
  const ports = await freePorts(NAMES.length);
  const nodes = new Nodes(children, "failover", { data, logs: results, ports });
  const rounds: Round[] = [];
  for (const [fault, count] of counts) {
    for (let i = 1; i <= count; i++) {
      const round = await roundOf(nodes, fault);
      rounds.push(round);
      const gaps = `${round.followerGapMs.toFixed(0)} ms, ${round.leaderGapMs.toFixed(0)} ms`;
      process.stderr.write(`${fault} ${i} of ${count}: ${gaps}\n`);
    }
  }
  writeFileSync(join(results, "failover.json"), JSON.stringify({ machine, rounds }, null, 2));
  console.log(`${machine}\n\n${tableOf(rounds)}`);
  await children.stopAll();
}

await main();
process.exit(0);
