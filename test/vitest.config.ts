import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";
import ClosingLine from "./tooling/closing-line.ts";

const slow = ["test/sim/**", "test/e2e/**", "test/bench/**"];

/**
 * Three projects, one after the other, so that nothing that measures a deadline shares the machine
 * with a simulation: `unit`, then `sim`, then `e2e` (real processes and ports, one file at a time).
 * A flaky test is a fault: nothing is ever tried again.
 */
export default defineConfig({
  root: fileURLToPath(new URL("..", import.meta.url)),
  test: {
    reporters: ["default", new ClosingLine()],
    retry: 0,
    coverage: {
      include: ["src/raft/**", "src/registry/**", "src/replica/**"],
      reporter: ["text", "json"],
      reportsDirectory: "coverage",
    },
    projects: [
      {
        extends: true,
        test: {
          name: "unit",
          include: ["test/**/*.test.ts"],
          exclude: slow,
          sequence: { groupOrder: 0 },
          testTimeout: 10_000,
        },
      },
      {
        extends: true,
        test: {
          name: "sim",
          include: ["test/sim/**/*.test.ts"],
          sequence: { groupOrder: 1 },
          testTimeout: 240_000,
        },
      },
      {
        extends: true,
        test: {
          name: "e2e",
          include: ["test/e2e/**/*.test.ts"],
          sequence: { groupOrder: 2 },
          pool: "forks",
          maxWorkers: 1,
          fileParallelism: false,
          testTimeout: 90_000,
          hookTimeout: 60_000,
        },
      },
    ],
  },
});
