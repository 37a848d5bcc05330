import { cp, mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { isThere } from "../../src/storage/durable-file.ts";
import { Prng } from "../prng.ts";
import { Leaderships } from "../real/leaderships.ts";
import { Load } from "../real/load.ts";
import type { LogLine, NodeProcess } from "../real/node-process.ts";
import { makeNodes, noteLeader, RealCluster } from "../real/real-cluster.ts";
import { Violation } from "../real/violation.ts";
import { voteOnDisk } from "../real/vote-on-disk.ts";
import { until } from "../real/wait.ts";
import { corrupt, type SingleKind } from "./corruption.ts";
import type { Verdict } from "./judge.ts";
import { makeWorld } from "./world.ts";

const START_MS_MAX = 60_000;
const ACKS_MAX = 150;

/** What came of one damaged directory. */
export interface Round {
  readonly number: number;
  readonly kind: SingleKind;
  readonly verdict: Exclude<Verdict, "untold">;
  readonly text: string;
}

export interface ClusterOptions {
  readonly bin: string;
  readonly seed: number;
  readonly rounds: number;
  readonly kinds: readonly SingleKind[];
  readonly directory: string;
  readonly onRound: (round: Round) => void;
}

interface Machine {
  readonly node: NodeProcess;
  /** What its node has said in this round. */
  lines: string[];
}

/**
 * Three real nodes under load, of which one after the other is killed, damaged and started again. It
 * takes part again, or ends and says why: then the directory is put back as it was. Whatever comes of
 * it, everything that was acknowledged is on all of them, and no vote was taken back.
 */
export async function runCluster(options: ClusterOptions): Promise<Round[]> {
  const { bin, seed, rounds, kinds, directory, onRound } = options;
  if (rounds === 0) return [];
  const prng = new Prng(seed, 3);
  await mkdir(directory, { recursive: true });
  const { stranger } = await makeWorld(join(directory, "strangers"), seed, 0);
  const leaderships = new Leaderships();
  const machines: Machine[] = [];
  const nodes = await makeNodes(
    { bin, size: 3, directory },
    (line, node) => heard(line, node, machines, leaderships),
    async (name) => join(directory, name),
  );
  machines.push(...nodes.map((node) => ({ node, lines: [] })));
  const cluster = new RealCluster(machines, leaderships);
  const done: Round[] = [];
  let load: Load | null = null;
  try {
    cluster.start(machines);
    await cluster.settled(machines);
    load = await Load.start(cluster.urls, prng);
    for (let number = 0; number < rounds; number += 1) {
      const kind = kinds[number % kinds.length] ?? "flip";
      const round = await oneRound(number, kind, { cluster, load, prng, stranger });
      done.push(round);
      onRound(round);
      if (round.verdict === "silent") break;
    }
  } finally {
    await Promise.all(machines.map(({ node }) => node.kill()));
    await load?.close();
  }
  return done;
}

interface Setting {
  readonly cluster: RealCluster<Machine>;
  readonly load: Load;
  readonly prng: Prng;
  readonly stranger: string;
}

async function oneRound(
  number: number,
  kind: SingleKind,
  { cluster, load, prng, stranger }: Setting,
): Promise<Round> {
  const { machines } = cluster;
  await load.more(prng.between(1, ACKS_MAX));
  const machine = prng.pick(machines);
  const { node } = machine;
  await node.kill();
  const vote = await voteOnDisk(node.dataDir);
  if (vote !== null) cluster.ballots.saw(node.name, vote);
  const [before, older] = [`${node.dataDir}-before`, `${node.dataDir}-older`];
  await cp(node.dataDir, before, { recursive: true });
  if (!(await isThere(older))) await cp(before, older, { recursive: true });
  const peer = prng.pick(machines.filter((other) => other !== machine)).node.dataDir;
  const { faults } = await corrupt(node.dataDir, kind, { older, peer, stranger }, prng);
  machine.lines = [];
  cluster.start([machine]);
  let verdict = await verdictOf(machine);
  const said = verdict === "intact" ? "" : node.end;
  if (!node.isRunning) {
    await rm(node.dataDir, { recursive: true });
    await cp(before, node.dataDir, { recursive: true });
    cluster.start([machine]);
  }
  const text = `${node.name}: ${faults.map((fault) => fault.text).join("; ")}`;
  try {
    await cluster.up(machines);
    await load.pause();
    await cluster.check(load.ledger, machines);
    load.go();
  } catch (error) {
    if (!(error instanceof Violation)) throw error;
    return { number, kind, verdict: "silent", text: `${text}: ${error.kind}, ${error.message}` };
  }
  if (verdict !== "crashed") verdict = verdict === "refused" ? verdict : wayOf(machine);
  await rm(older, { recursive: true });
  await cp(before, older, { recursive: true });
  await rm(before, { recursive: true });
  return { number, kind, verdict, text: said === "" ? text : `${text}: ${said}` };
}

/** Refused: it has ended by itself, and said of what in its directory. */
async function verdictOf({ node }: Machine): Promise<Round["verdict"]> {
  return await until(START_MS_MAX, `${node.name} to serve, or to end`, async () => {
    const view = await node.view();
    if (view?.isCaughtUp === true) return "intact";
    if (node.isRunning) return null;
    const isTold = node.end.includes(node.dataDir) || node.end.includes("the data directory is");
    return node.exitCode !== null && isTold ? "refused" : "crashed";
  });
}

function wayOf({ lines }: Machine): Round["verdict"] {
  if (lines.some((line) => line.includes("it is set aside"))) return "set aside";
  return lines.some((line) => line.includes("the log is whole again")) ? "repaired" : "intact";
}

function heard(
  line: LogLine,
  node: NodeProcess,
  machines: readonly Machine[],
  leaderships: Leaderships,
): void {
  noteLeader(line, node, leaderships);
  machines.find((machine) => machine.node === node)?.lines.push(line.msg);
}
