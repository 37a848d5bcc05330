import { expect, test } from "vitest";
import { between, perOperation, processorTimes } from "./bench/processor.ts";

test("what an operation costs: the client, the node that takes it, each of the others", () => {
  const before = { client: 1_000, nodes: [5_000, 100, 300] };
  const after = { client: 3_000, nodes: [9_000, 700, 1_100] };
  const spent = between(before, after);
  expect(spent).toEqual({ client: 2_000, nodes: [4_000, 600, 800] });
  expect(perOperation(spent, 100)).toEqual({ client: 20, target: 40, others: [6, 8] });
  expect(perOperation({ client: 2_000, nodes: [] }, 100)).toBeNull();
});

test.runIf(process.platform === "linux")("the times of a process are read from its stat", () => {
  const untilMs = performance.now() + 60;
  while (performance.now() < untilMs);
  const own = process.cpuUsage();
  const times = processorTimes([process.pid]);
  const node = times?.nodes[0] ?? 0;
  // Counted in hundredths of a second, and rounded down.
  expect(Math.abs(node - (own.user + own.system))).toBeLessThan(50_000);
  expect(() => processorTimes([2 ** 30])).toThrow("ENOENT");
});
