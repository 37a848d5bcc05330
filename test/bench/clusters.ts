import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { freePorts } from "../../jepsen-lite/net/ports.ts";
import type { NodeStatus } from "../../src/server/status.ts";
import { type Children, messageOf } from "./children.ts";
import type { Target } from "./slice.ts";

const BOOT_MS_MAX = 30_000;
const POLL_MS = 50;
const STATUS_MS_MAX = 1_000;
const NODES = ["n1", "n2", "n3"] as const;

/** Where a slice can be pointed at. */
export type Place = "leader" | "follower";

/** What is measured: something that says where its nodes take load now. */
export interface Cluster {
  readonly at: (place: Place) => Promise<Target>;
}

/** Three processes of the floor. It has no registry to forward to, so only its leader takes load. */
export async function startPipeline(children: Children, directory: string): Promise<Cluster> {
  mkdirSync(directory, { recursive: true });
  const node = new URL("./pipeline/node.js", import.meta.url);
  const leader = children.fork(node, [join(directory, "n1")]);
  const { port } = await messageOf<{ port: number }>(leader, "port", BOOT_MS_MAX);
  const url = `ws://127.0.0.1:${port}`;
  const ready = messageOf<{ ready: true }>(leader, "ready", BOOT_MS_MAX);
  const followers = ["n2", "n3"].map((name) => children.fork(node, [join(directory, name), url]));
  await ready;
  const pids = [leader, ...followers].map((child) => child.pid!);
  return { at: () => Promise.resolve({ url, pids }) };
}

export interface RollcallOptions {
  readonly directory: string;
  /** For logs and profiles. */
  readonly results: string;
  /** Writes a CPU profile of each node, named after it, when it stops. */
  readonly isProfiled: boolean;
}

/** Three nodes of the built `bin/rollcall.js`, born together. */
export async function startRollcall(
  children: Children,
  { directory, results, isProfiled }: RollcallOptions,
): Promise<Cluster> {
  const bin = fileURLToPath(new URL("../../../bin/rollcall.js", import.meta.url));
  const ports = await freePorts(NODES.length);
  const addresses = ports.map((port) => `127.0.0.1:${port}`);
  const bootstrap = NODES.map((name, i) => `${name}=${addresses[i]}`).join(",");
  const exits: string[] = [];
  const pids: number[] = [];
  for (const [i, name] of NODES.entries()) {
    const profile = isProfiled
      ? ["--cpu-prof", `--cpu-prof-dir=${results}`, `--cpu-prof-name=${name}.cpuprofile`]
      : [];
    const data = ["--data", join(directory, name), "--listen", addresses[i]!];
    const args = [...profile, bin, "start", "--id", name, ...data, "--bootstrap", bootstrap];
    const log = join(results, `${name}.log`);
    const child = children.start(args, log);
    child.on("exit", (code) => exits.push(`${name} exited: ${code}, see ${log}`));
    pids.push(child.pid!);
  }
  const at = async (place: Place): Promise<Target> => {
    const deadline = performance.now() + BOOT_MS_MAX;
    while (performance.now() < deadline) {
      if (exits.length > 0) throw new Error(exits.join("; "));
      const roles = await Promise.all(addresses.map(roleOf));
      const found = roles.indexOf(place);
      if (found >= 0 && roles.includes("leader")) {
        const others = pids.filter((_, i) => i !== found);
        return { url: `ws://${addresses[found]}`, pids: [pids[found]!, ...others] };
      }
      await sleep(POLL_MS);
    }
    throw new Error(`no ${place} within ${BOOT_MS_MAX} ms, see the logs in ${results}`);
  };
  await at("leader");
  return { at };
}

async function roleOf(address: string): Promise<string | null> {
  return (await statusOf(address))?.role ?? null;
}

/** Null while it does not answer, or serves nobody yet. */
export async function statusOf(address: string): Promise<NodeStatus | null> {
  try {
    const signal = AbortSignal.timeout(STATUS_MS_MAX);
    const response = await fetch(`http://${address}/v1/status`, { signal });
    return response.ok ? ((await response.json()) as NodeStatus) : null;
  } catch {
    return null;
  }
}
