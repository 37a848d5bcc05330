import type { Reporter, TestModule, TestRunEndReason } from "vitest/node";

/**
 * Ends a run with one plain line, `N passed, N failed` (`, N skipped` when there are any), which
 * .ci/run adds to its own stages. A file that cannot be loaded, a hook that fails and an error
 * outside every test each count as one failure, so the line never looks better than the run was.
 */
export default class ClosingLine implements Reporter {
  onTestRunEnd(
    modules: readonly TestModule[],
    unhandled: readonly unknown[],
    reason: TestRunEndReason,
  ): void {
    const count = { passed: 0, failed: unhandled.length, skipped: 0, pending: 0 };
    for (const module of modules) {
      count.failed += module.errors().length;
      for (const suite of module.children.allSuites()) count.failed += suite.errors().length;
      for (const test of module.children.allTests()) count[test.result().state] += 1;
    }
    count.failed += count.pending;
    if (reason !== "passed") count.failed = Math.max(count.failed, 1);
    const skipped = count.skipped > 0 ? `, ${count.skipped} skipped` : "";
    process.stdout.write(`${count.passed} passed, ${count.failed} failed${skipped}\n`);
  }
}
