import { cp, mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { isThere } from "../../src/storage/durable-file.ts";
import { Prng } from "../prng.ts";
import { Load } from "../real/load.ts";
import { NodeCluster } from "../real/node-cluster.ts";
import type { NodeProcess } from "../real/node-process.ts";
import { Violation } from "../real/violation.ts";
import { voteOnDisk } from "../real/vote-on-disk.ts";
import { corrupt, type SingleKind } from "./corruption.ts";
import type { Verdict } from "./judge.ts";
import { comesOf, wayOf } from "./start.ts";
import { makeWorld } from "./world.ts";

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
  const said = new Map<NodeProcess, string[]>();
  const cluster = await NodeCluster.make({
    directory,
    program: [bin],
    dataDirs: ["n1", "n2", "n3"].map((name) => join(directory, name)),
    onLine: ({ msg }, node) => said.get(node)?.push(msg),
  });
  const { nodes } = cluster;
  const done: Round[] = [];
  let load: Load | null = null;
  try {
    for (const node of nodes) node.start();
    await cluster.settled(nodes);
    load = await Load.start(cluster.urls, prng);
    for (let number = 0; number < rounds; number += 1) {
      const kind = kinds[number % kinds.length] ?? "flip";
      const round = await oneRound(number, kind, { cluster, said, load, prng, stranger });
      done.push(round);
      onRound(round);
      if (round.verdict === "silent") break;
    }
  } finally {
    await cluster.kill();
    await load?.close();
  }
  return done;
}

interface Setting {
  readonly cluster: NodeCluster;
  /** What each node that is looked at has said in this round. */
  readonly said: Map<NodeProcess, string[]>;
  readonly load: Load;
  readonly prng: Prng;
  readonly stranger: string;
}

async function oneRound(
  number: number,
  kind: SingleKind,
  { cluster, said, load, prng, stranger }: Setting,
): Promise<Round> {
  const { nodes } = cluster;
  await load.more(prng.between(1, ACKS_MAX));
  const node = prng.pick(nodes);
  await node.kill();
  const vote = await voteOnDisk(node.dataDir);
  if (vote !== null) cluster.ballots.saw(node.name, vote);
  const [before, older] = [`${node.dataDir}-before`, `${node.dataDir}-older`];
  await cp(node.dataDir, before, { recursive: true });
  if (!(await isThere(older))) await cp(before, older, { recursive: true });
  const peer = prng.pick(nodes.filter((other) => other !== node)).dataDir;
  const { faults } = await corrupt(node.dataDir, kind, { older, peer, stranger }, prng);
  const lines: string[] = [];
  said.set(node, lines);
  node.start();
  let verdict: Round["verdict"] = await comesOf(node);
  const end = verdict === "intact" ? "" : node.end;
  if (!node.isRunning) {
    await rm(node.dataDir, { recursive: true });
    await cp(before, node.dataDir, { recursive: true });
    node.start();
  }
  const text = `${node.name}: ${faults.map((fault) => fault.text).join("; ")}`;
  try {
    await cluster.up(nodes);
    await load.pause();
    await cluster.check(load.ledger, nodes);
    load.go();
  } catch (error) {
    if (!(error instanceof Violation)) throw error;
    return { number, kind, verdict: "silent", text: `${text}: ${error.kind}, ${error.message}` };
  }
  if (verdict !== "crashed") verdict = verdict === "refused" ? verdict : wayOf(lines);
  await rm(older, { recursive: true });
  await cp(before, older, { recursive: true });
  await rm(before, { recursive: true });
  return { number, kind, verdict, text: end === "" ? text : `${text}: ${end}` };
}
