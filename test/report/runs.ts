import type {
  Broken,
  Disturbance,
  RunFiles,
  RunResult,
} from "../../jepsen-lite/chaos/run-directory.ts";
import type { NodeSample } from "../../jepsen-lite/chaos/sampler.ts";
import { judge } from "../../jepsen-lite/checker/judge.ts";
import type { History } from "../../jepsen-lite/history.ts";
import { Story, X } from "../checker/story.ts";

export const PARTITION: Disturbance = {
  nemesis: "partition",
  on: "network",
  what: "halves (hold): n1>n2 n2>n1",
  fromMs: 100,
  toMs: 900,
  evidence: { count: 12, unit: "pieces held" },
};

/** Of three nodes, of which n1 leads, sampled each time at these moments. */
export function sampled(...moments: readonly number[]): NodeSample[] {
  return moments.flatMap((atMs, i) =>
    ["n1", "n2", "n3"].map((node): NodeSample => {
      const role = node === "n1" ? "leader" : "follower";
      const state = { term: 1, leader: "n1", commit: i * 10, applied: i * 10, revision: i };
      return { atMs, node, state: "up", id: `id-${node}`, role, ...state };
    }),
  );
}

/** Everybody is answered, and nobody contradicts anybody. */
export function goodStory(): Story {
  return new Story()
    .record({ type: "leader", node: "n1" })
    .open("c1")
    .put("c1", 1, [[X, "v"]], 1)
    .read("c2", 1, [[X, "v"]])
    .touch("c1");
}

/** A linearizable read that does not see what was acknowledged before it was sent. */
export function lostWrite(): Story {
  return goodStory().read("c3", 0, []);
}

export function resultOf(parts: Partial<RunResult> = {}): RunResult {
  const { looked, bounds, referee } = judge(goodStory().events);
  return {
    ...{ seed: 42, nodes: 3, outcome: "valid", why: [] },
    ...{ broken: [], doubts: [], seconds: 38.5, operations: 4, acknowledged: 1, reads: 1 },
    ...{ deliveries: 0, elections: 1, faults: { partition: 1 }, faultsInVain: {} },
    ...{ looked, bounds, referee },
    ...{ counts: {}, machine: { capabilities: {}, skipped: {}, epochsSeconds: {} } },
    ...parts,
  };
}

export interface RunParts extends Partial<Omit<RunFiles, "history">> {
  readonly broken?: readonly Broken[];
  readonly doubts?: readonly string[];
}

/** All files of a run of this history, judged; each may be another one. */
export function runOf(history: History, parts: RunParts = {}): RunFiles {
  const { broken = [], doubts = [], verdict, ...files } = parts;
  return {
    history,
    schedule: [
      { atMs: 0, lengthMs: 950, strikes: [{ nemesis: "partition", atMs: 100, forMs: 800 }] },
      { atMs: 950, lengthMs: 50, strikes: [] },
    ],
    faults: [PARTITION],
    views: sampled(1, 300, 600),
    verdict: verdict === undefined ? judge(history) : verdict,
    result: resultOf({ broken, doubts }),
    orders: { nodes: 3, seconds: 30, operations: 1, seed: 42, nemeses: ["partition"] },
    ...files,
  };
}
