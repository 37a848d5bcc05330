import { readFile } from "node:fs/promises";
import { connect, type Socket } from "node:net";
import { command } from "../faults/command.ts";
import type { World } from "../real/campaign.ts";
import type { Machine } from "../real/machines.ts";
import { progress } from "../real/progress.ts";
import { Violation } from "../real/violation.ts";
import { until } from "../real/wait.ts";
import { bulk } from "./bulk.ts";
import { endsNaming } from "./exits.ts";

const ACKS_MAX = 100;
/** Little more than a node insists on. */
const FEW = 600;
/** All of the lowest are in use, and no other may be given out. */
const NONE = 16;
const SAID_MS_MAX = 10_000;
const REFUSAL = "refuses clients: too many connections";

/**
 * A node has no file descriptor left. Where it knew from the start how few there are, it refuses
 * clients while enough are left for its disk. Where they are taken from it while it runs, it cannot
 * open the next file: then it goes on until it has to, and ends saying so.
 */
export async function descriptors(machines: readonly Machine[], world: World): Promise<string> {
  const { prng, turn } = world;
  const [machine] = machines as [Machine];
  await progress(world, prng.between(1, ACKS_MAX));
  return await turn([fewFromTheStart, takenAway])(machine, world);
}

async function fewFromTheStart(machine: Machine, world: World): Promise<string> {
  const { cluster } = world;
  const { node } = machine;
  await node.kill();
  node.start({ wrapped: (argv) => ["prlimit", `--nofile=${FEW}:${FEW}`, ...argv] });
  await cluster.up([machine]);
  const sockets = open(node.port, FEW);
  const says = async () => {
    return (await readFile(node.logPath, "utf8")).includes(REFUSAL) || null;
  };
  try {
    await until(SAID_MS_MAX, REFUSAL, says).catch(({ message }: Error) => {
      throw new Violation("silent", `${node.name} with ${FEW} connections: ${message}`);
    });
    await bulk(cluster.urls, () => !node.isRunning);
    await progress(world, 1);
  } finally {
    for (const socket of sockets) socket.destroy();
  }
  cluster.checkRunning([machine]);
  await cluster.up([machine]);
  // It keeps the limit; the next start has the usual one.
  return `${FEW} descriptors and as many connections at ${node.name}`;
}

async function takenAway(machine: Machine, world: World): Promise<string> {
  const { cluster } = world;
  const { node } = machine;
  const { pid } = node;
  const before = await command("prlimit", "--pid", `${pid}`, "--nofile", "--raw", "-o", "SOFT");
  node.isBeingKilled = true;
  await command("prlimit", "--pid", `${pid}`, `--nofile=${NONE}:`);
  const sockets = open(node.port, 20);
  try {
    await bulk(cluster.urls, () => !node.isRunning);
    if (cluster.machines.length > 1) await progress(world, 1);
  } finally {
    for (const socket of sockets) socket.destroy();
  }
  if (node.isRunning) {
    const soft = before.split("\n").at(-1);
    await command("prlimit", "--pid", `${pid}`, `--nofile=${soft}:`);
    node.isBeingKilled = false;
    return `no descriptor left at ${node.name}, which goes on`;
  }
  await endsNaming(cluster, machine, /EMFILE|too many open files/i);
  cluster.start([machine]);
  return `no descriptor left at ${node.name}, which has ended`;
}

/** They say nothing, and may be refused. */
function open(port: number, count: number): readonly Socket[] {
  return Array.from({ length: count }, () => connect(port, "127.0.0.1").on("error", () => {}));
}
