import type { NodeProcess } from "../real/node-process.ts";
import { until } from "../real/wait.ts";

const START_MS_MAX = 60_000;

/** What comes of a start on a damaged directory; refused: it ends, and says of what in it. */
export async function comesOf(node: NodeProcess): Promise<"intact" | "refused" | "crashed"> {
  return await until(START_MS_MAX, `${node.name} to serve, or to end`, async () => {
    const view = await node.view();
    if (view?.isCaughtUp === true) return "intact";
    if (node.isRunning) return null;
    await node.ended;
    const isTold = node.end.includes(node.dataDir) || node.end.includes("the data directory is");
    return node.exitCode !== null && isTold ? "refused" : "crashed";
  });
}

/** Of what a node has said that serves. */
export function wayOf(lines: readonly string[]): "intact" | "repaired" | "set aside" {
  if (lines.some((line) => line.includes("it is set aside"))) return "set aside";
  return lines.some((line) => line.includes("the log is whole again")) ? "repaired" : "intact";
}
