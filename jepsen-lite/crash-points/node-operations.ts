import { command } from "../faults/command.ts";
import type { Load } from "../real/load.ts";
import type { NodeCluster } from "../real/node-cluster.ts";
import type { NodeProcess } from "../real/node-process.ts";
import { kindOf, type Point } from "./points.ts";

/** Real nodes under load, of which one is down. */
export interface NodeWorld {
  readonly bin: string;
  readonly cluster: NodeCluster;
  readonly load: Load;
  readonly victim: NodeProcess;
  readonly start: (node: NodeProcess) => void;
}

/** Something that happens to a real node between its start and its work. */
export interface NodeOperation {
  readonly name: string;
  readonly size: 1 | 3;
  /** Each time on directories that are made anew. */
  readonly isBirth?: true;
  /** What the victim's log says where it has happened: without it, nothing was crashed. */
  readonly sign: RegExp;
  /** Done before the victim is started. */
  readonly before: (world: NodeWorld) => Promise<void>;
  /** Of all points of a start and the work behind it: `isServing` since it has answered. */
  readonly isMeant: (point: Point, isServing: boolean) => boolean;
}

/** More than the followers' tail of the log holds, with the limits of `preload.ts`. */
const BEHIND_ACKS = 400;

export const nodeOperations: readonly NodeOperation[] = [
  {
    name: "node-birth",
    sign: /leader in term/,
    size: 1,
    isBirth: true,
    before: async () => {},
    isMeant: () => true,
  },
  {
    name: "node-boot",
    sign: /leader in term/,
    size: 1,
    before: async () => {},
    isMeant: (_, isServing) => !isServing,
  },
  {
    name: "node-load",
    sign: /snapshot taken/,
    size: 1,
    before: async () => {},
    isMeant: (_, isServing) => isServing,
  },
  {
    name: "node-vote",
    sign: /(?:follower|leader) in term/,
    size: 3,
    before: async ({ cluster, start }) => {
      await cluster.kill();
      for (const node of cluster.nodes.slice(1)) start(node);
    },
    isMeant: (point) => /vote|of files/.test(kindOf(point)),
  },
  {
    name: "node-install",
    sign: /snapshot installed/,
    size: 3,
    before: ({ load }) => load.more(BEHIND_ACKS),
    isMeant: (point, isServing) => isServing || !/vote/.test(kindOf(point)),
  },
  {
    name: "node-return",
    sign: /back: the state of a peer/,
    size: 3,
    before: async ({ bin, victim: { name, dataDir } }) => {
      await command(process.execPath, bin, "discard-state", "--id", name, "--data", dataDir);
    },
    isMeant: () => true,
  },
];
