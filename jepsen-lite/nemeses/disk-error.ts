import { join } from "node:path";
import { pathOf } from "../failing-disks/files.ts";
import { Strace } from "../faults/tampering.ts";
import { checkNotRetried, endsByDisk } from "../real/ends.ts";
import { type Nemesis, seen } from "./nemesis.ts";
import { selected } from "./targets.ts";

const ERRORS = ["EIO", "ENOSPC"] as const;
const CALLS_MAX = 8;
/** What a node writes all the time, and how. */
const STEPS = [
  { file: "log", call: "write" },
  { file: "log", call: "fdatasync" },
  { file: "mark", call: "pwrite64" },
  { file: "mark", call: "fdatasync" },
] as const;

/** One call on a file of the directory fails: the node has to end with it, and is started again. */
export const diskError: Nemesis = {
  name: "disk-error",
  doc: "A write or a sync of one, or of the leader, fails once: it has to end, and is started again.",
  on: "processes",
  // Somebody who is removed ends, too.
  alsoOn: ["members"],
  needs: ["strace"],
  strike: async (world, prng) => {
    const [node] = await selected(world, prng.pick(["one", "primary"] as const), prng);
    if (node === undefined || !node.isRunning) return null;
    const { file, call } = prng.pick(STEPS);
    const path = await pathOf({ node }, file);
    if (path === null) return null;
    const error = prng.pick(ERRORS);
    const count = prng.between(1, CALLS_MAX);
    const how = `error=${error}:when=${count}`;
    const tampering = { calls: [call], how, paths: [path], watched: ["fdatasync", "fsync"] };
    node.isBeingKilled = true;
    const logPath = join(world.directory, `strace-${node.name}`);
    const strace = await Strace.attach(node.pid, tampering, logPath);
    void node.ended.then(() => world.edges.refuse(node.name));
    return {
      what: `${error} of ${call} ${count} on ${file} of ${node.name}`,
      end: async () => {
        const calls = await strace.detach();
        if (!calls.some((line) => line.includes("(INJECTED)"))) {
          node.isBeingKilled = false;
          return null;
        }
        checkNotRetried(calls, path);
        await endsByDisk(node, path);
        world.revive(node);
        return seen(1, "nodes that ended with the call that failed");
      },
    };
  },
};
