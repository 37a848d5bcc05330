import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import type { Evidence, Nemesis } from "../../jepsen-lite/nemeses/nemesis.ts";
import { Prng } from "../../jepsen-lite/prng.ts";
import { built, startedWorld } from "./built-harness.ts";

const MS_MAX = 300_000;
const STRIKE_MS = 1_000;
/** What is drawn may come to nothing: who is to lead does already. */
const TRIES = 4;

test(
  "each nemesis bites: its effect is seen on real nodes, within a second or soon after",
  async () => {
    const { NEMESES } =
      await built<typeof import("../../jepsen-lite/chaos/plan.ts")>("chaos/plan.js");
    const prng = new Prng(7);
    const world = await startedWorld(7);

    async function struck({ strike }: Nemesis): Promise<Evidence | null> {
      await world.cluster.up(world.nodes);
      await world.cluster.leader(world.nodes);
      const effect = await strike(world, prng);
      if (effect === null) return null;
      await sleep(STRIKE_MS);
      return await effect.end();
    }

    const inVain: string[] = [];
    for (const nemesis of NEMESES.filter(({ needs = [] }) => needs.length === 0)) {
      const startedMs = performance.now();
      let evidence: Evidence | null = null;
      for (let at = 0; at < TRIES && evidence === null; at += 1) evidence = await struck(nemesis);
      const seconds = ((performance.now() - startedMs) / 1_000).toFixed(1);
      console.log(`${nemesis.name}: ${evidence?.count ?? "no"} ${evidence?.unit} in ${seconds} s`);
      if (evidence === null) inVain.push(nemesis.name);
    }
    expect(inVain).toEqual([]);
    expect(world.strange).toEqual([]);
    expect(world.cluster.leaderships.faults).toEqual([]);
  },
  MS_MAX,
);
