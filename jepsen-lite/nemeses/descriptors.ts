import { readdir } from "node:fs/promises";
import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { command } from "../faults/command.ts";
import { endsByDisk } from "../real/ends.ts";
import type { NodeProcess } from "../real/node-process.ts";
import { type Nemesis, seen } from "./nemesis.ts";
import { selected } from "./targets.ts";

const CONNECTIONS = 50;
/** One that is taken stays for longer without a word. */
const CLOSED_MS_MAX = 1_000;

/**
 * A node may have no file descriptor more than it has, and others would connect to it. It goes on as
 * long as it needs no new file, and may end then.
 */
export const descriptors: Nemesis = {
  name: "descriptors",
  doc: "One, or the leader, may have no file descriptor more than it has, while others would connect to it.",
  on: "processes",
  // Somebody who is removed ends, too.
  alsoOn: ["members"],
  needs: ["limits"],
  strike: async (world, prng) => {
    const [node] = await selected(world, prng.pick(["one", "primary"] as const), prng);
    if (node === undefined || !node.isRunning) return null;
    const before = await softLimit(node);
    node.isBeingKilled = true;
    const inUse = (await readdir(`/proc/${node.pid}/fd`)).length;
    await limit(node, String(inUse));
    void node.ended.then(() => world.edges.refuse(node.name));
    const refused = await refusedBy(node);
    return {
      what: `no descriptor left at ${node.name}, which has ${inUse}`,
      end: async () => {
        if (await isLimited(node, before)) {
          node.isBeingKilled = false;
        } else {
          await endsByDisk(node, /EMFILE|too many open files/i);
          world.revive(node);
        }
        return seen(refused, `connections of ${CONNECTIONS} that it closed at once`);
      },
    };
  },
};

async function softLimit({ pid }: NodeProcess): Promise<string> {
  const said = await command("prlimit", "--pid", `${pid}`, "--nofile", "--raw", "-o", "SOFT");
  return said.split("\n").at(-1) ?? "";
}

/** Whether it still ran, and has it now. */
async function isLimited(node: NodeProcess, soft: string): Promise<boolean> {
  if (!node.isRunning) return false;
  return await limit(node, soft).then(
    () => true,
    () => false,
  );
}

async function limit({ pid }: NodeProcess, soft: string): Promise<void> {
  await command("prlimit", "--pid", `${pid}`, `--nofile=${soft}:`);
}

/** How many of so many connections are closed at once; the others are given up. */
async function refusedBy({ port }: NodeProcess): Promise<number> {
  let refused = 0;
  const sockets = Array.from({ length: CONNECTIONS }, () => {
    const socket = connect(port, "127.0.0.1").on("error", () => {});
    socket.resume().on("close", () => {
      refused += 1;
    });
    return socket;
  });
  await sleep(CLOSED_MS_MAX);
  const count = refused;
  for (const socket of sockets) socket.destroy();
  return count;
}
