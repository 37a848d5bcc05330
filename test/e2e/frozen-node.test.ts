import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { until } from "../../jepsen-lite/real/wait.ts";
import { Cluster } from "./cluster.ts";

/** Long enough for several dials of each peer, were they given up and made again. */
const FROZEN_MS = 12_000;

let cluster: Cluster;

beforeAll(async () => {
  cluster = await Cluster.start();
});

afterAll(async () => {
  await cluster.stop();
});

test("a node that stood still goes on with one line a change, and no heap of dead dials", async () => {
  const [frozen] = await cluster.followers();
  const linesBefore = (await frozen.log()).length;
  frozen.signal("SIGSTOP");
  // Time itself is what is awaited: the others dial, and nobody answers.
  await sleep(FROZEN_MS);
  frozen.signal("SIGCONT");
  await until(10_000, "all links to be up", async () => {
    const statuses = await Promise.all(cluster.nodes.map((node) => node.status()));
    const links = statuses.flatMap((status) => status?.members.map(({ isLinkUp }) => isLinkUp));
    return links.length === 9 && !links.includes(false) ? true : null;
  });
  const lines = (await frozen.log()).slice(linesBefore);
  expect(lines.filter(({ level }) => level !== "info")).toEqual([]);
  const told = lines.map(({ msg, peer }) => `${msg} ${peer ?? ""}`);
  expect(told).toEqual([...new Set(told)]);
});
