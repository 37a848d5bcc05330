import { cp, readFile, rm } from "node:fs/promises";
import type { World } from "../chaos/world.ts";
import type { Prng } from "../prng.ts";
import type { NodeProcess } from "../real/node-process.ts";
import { Violation } from "../real/violation.ts";
import { voteOnDisk } from "../real/vote-on-disk.ts";
import { corrupt, type SingleKind } from "../rot/corruption.ts";
import { comesOf, wayOf } from "../rot/start.ts";
import { type Nemesis, seen } from "./nemesis.ts";
import { namesOf, selected } from "./targets.ts";

/** What a directory is damaged by without another one beside it. */
const KINDS: readonly SingleKind[] = [
  ...(["flip", "truncate", "zero-tail", "zero-page", "double", "missing"] as const),
];

/**
 * A file of a few nodes, fewer than the others, is damaged while they do not run. Each heals, or ends
 * and names it; then it is given back what it had.
 */
export const rot: Nemesis = {
  name: "rot",
  doc: "A file of a few nodes is damaged while they do not run: each heals, or ends and names it.",
  on: "processes",
  // Somebody who is removed ends, too.
  alsoOn: ["members"],
  strike: async (world, prng) => {
    const chosen = (await selected(world, "minority", prng)).filter((node) => node.isRunning);
    if (chosen.length === 0) return null;
    await Promise.all(chosen.map((node) => world.kill(node)));
    const damaged: Damaged[] = [];
    for (const node of chosen) damaged.push(await Damaged.make(node, world, prng));
    return {
      what: `${namesOf(chosen)} damaged: ${damaged.map(({ text }) => text).join("; ")}`,
      end: async () => {
        for (const one of damaged) world.revive(one.node);
        let noticed = 0;
        for (const one of damaged) if ((await one.heal(world)) !== "intact") noticed += 1;
        return seen(noticed, "nodes that healed, or refused what they found");
      },
    };
  },
};

class Damaged {
  readonly node: NodeProcess;
  readonly text: string;
  /** Of its log, before the start that is looked at. */
  readonly #logLength: number;

  private constructor(node: NodeProcess, text: string, logLength: number) {
    this.node = node;
    this.text = text;
    this.#logLength = logLength;
  }

  /** It does not run. */
  static async make(node: NodeProcess, { cluster }: World, prng: Prng): Promise<Damaged> {
    const vote = await voteOnDisk(node.dataDir);
    if (vote !== null) cluster.ballots.saw(node.name, vote);
    await cp(node.dataDir, beforeOf(node), { recursive: true });
    const own = node.dataDir;
    const elsewhere = { older: own, peer: own, stranger: own };
    const { faults } = await corrupt(node.dataDir, prng.pick(KINDS), elsewhere, prng);
    const log = await readFile(node.logPath, "utf8").catch(() => "");
    return new Damaged(node, faults.map(({ text }) => text).join("; "), log.length);
  }

  /** Resolves with what came of its start, when it serves again. */
  async heal(world: World): Promise<"intact" | "repaired" | "set aside" | "refused"> {
    const { node } = this;
    const came = await comesOf(node).catch((error) => {
      throw new Violation("stuck", `${this.text}: ${error.message}`);
    });
    if (came === "crashed") throw new Violation("refused", `${this.text}: ${node.end}`);
    if (came === "refused") {
      await world.edges.refuse(node.name);
      await rm(node.dataDir, { recursive: true });
      await cp(beforeOf(node), node.dataDir, { recursive: true });
      node.isBeingKilled = true;
      world.revive(node);
    }
    await rm(beforeOf(node), { recursive: true });
    const said = (await readFile(node.logPath, "utf8")).slice(this.#logLength).split("\n");
    return came === "intact" ? wayOf(said) : came;
  }
}

function beforeOf({ dataDir }: NodeProcess): string {
  return `${dataDir}-before`;
}
