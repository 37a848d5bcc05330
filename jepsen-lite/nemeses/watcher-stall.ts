import { setTimeout as sleep } from "node:timers/promises";
import { type Nemesis, seen } from "./nemesis.ts";

/** More than lies in sockets and proxies between a node and who does not read. */
const INSTANCES_MIN = 480;
const WRITING_MS_MAX = 8_000;
const POLL_MS = 20;

/** Those who watch what is much read nothing, while it is written; then they go on. */
export const watcherStall: Nemesis = {
  name: "watcher-stall",
  doc: "Those who watch what is much read nothing, while it is written.",
  on: "clients",
  strike: async ({ population: { slow, bulk } }) => {
    const before = bulk.acknowledged;
    for (const watcher of slow) watcher.stall();
    bulk.isOn = true;
    return {
      what: `${slow.map(({ name }) => name).join(", ")} read nothing, and much is written`,
      end: async () => {
        const untilMs = performance.now() + WRITING_MS_MAX;
        while (bulk.acknowledged - before < INSTANCES_MIN && performance.now() < untilMs) {
          await sleep(POLL_MS);
        }
        bulk.isOn = false;
        for (const watcher of slow) watcher.read();
        return seen(bulk.acknowledged - before, "instances written that nobody read");
      },
    };
  },
};
