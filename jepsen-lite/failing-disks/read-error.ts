import { basename, dirname, join } from "node:path";
import { readSeen, Strace, type Tampering, underStrace } from "../faults/tampering.ts";
import type { World } from "../real/campaign.ts";
import type { Machine } from "../real/machines.ts";
import { progress } from "../real/progress.ts";
import { Violation } from "../real/violation.ts";
import { until } from "../real/wait.ts";
import { bulk } from "./bulk.ts";
import { endsNaming } from "./exits.ts";
import { type DataFile, pathOf } from "./files.ts";

const ACKS_MAX = 100;
const START_MS_MAX = 20_000;
/** LevelDB numbers its files in one row; so many of the next ones may be tables. */
const NEXT_FILES = 8;
const FILES: readonly DataFile[] = [
  ...(["identity", "birth", "vote-a", "vote-b", "mark"] as const),
  ...(["CURRENT", "manifest", "log", "table"] as const),
];

/**
 * A file cannot be read: at a start, after the node was killed, or when a new table is opened while
 * it runs. It has to refuse or to end, and to name the file. The start after it finds the disk as it
 * should be, and the node has to have everything still.
 *
 * A table is not read but mapped, so there it is the mapping that fails. (A bad sector behind a
 * mapping is a SIGBUS, which nobody can bring about without a device that has one.)
 */
export async function readError(machines: readonly Machine[], world: World): Promise<string> {
  const { cluster, prng, turn } = world;
  const [machine] = machines as [Machine];
  await progress(world, prng.between(1, ACKS_MAX));
  const file = turn([null, ...FILES]);
  const what = file === null ? await atWork(machine, world) : await atStart(machine, file, world);
  cluster.start([machine]);
  return `${what} at ${machine.node.name}`;
}

async function atStart(machine: Machine, file: DataFile, world: World): Promise<string> {
  const { cluster, place } = world;
  const { node } = machine;
  await node.kill();
  if ((await pathOf(machine, file)) === null) {
    // A start makes a table of the log that it finds.
    cluster.start([machine]);
    await cluster.up([machine]);
    await node.kill();
  }
  const path = (await pathOf(machine, file)) ?? file;
  const how = "error=EIO:when=1";
  const tampering: Tampering = { calls: ["read", "pread64", "mmap"], how, paths: [path] };
  const logPath = join(place, "strace");
  node.start({ wrapped: (argv) => underStrace(tampering, logPath, argv) });
  node.isBeingKilled = true;
  await until(START_MS_MAX, "it to start, or to end", async () => {
    return !node.isRunning || (await node.view()) !== null ? true : null;
  });
  if (!(await readSeen(logPath)).some((line) => line.includes("(INJECTED)"))) {
    throw new Error(`${path} was not read`);
  }
  if (node.isRunning) {
    await node.kill();
    throw new Violation("silent", `${path} could not be read, and ${node.name} serves`);
  }
  await endsNaming(cluster, machine, path);
  return `EIO of the first read of ${file} at a start`;
}

/** LevelDB looks at each table that it has made. */
async function atWork(machine: Machine, { cluster, place }: World): Promise<string> {
  const { node } = machine;
  const log = (await pathOf(machine, "log")) ?? "";
  const number = Number.parseInt(basename(log), 10);
  const paths = Array.from({ length: NEXT_FILES }, (_, i) => {
    return join(dirname(log), `${String(number + 1 + i).padStart(6, "0")}.ldb`);
  });
  node.isBeingKilled = true;
  const tampering: Tampering = { calls: ["mmap"], how: "error=EIO:when=1", paths };
  const strace = await Strace.attach(node.pid, tampering, join(place, "strace"));
  await bulk(cluster.urls, () => !node.isRunning);
  await endsNaming(cluster, machine, /\.ldb/);
  await strace.detach();
  return "EIO of a table that was just made";
}
