import { faultWords } from "./disturbances.tsx";
import type { Latency } from "./operations.ts";
import type { Summary } from "./summary.ts";

/** What the script of the page shows of a moment, as JSON that can stand in markup. */
export function dataOf({ buckets, operations, nodes, faults, violations }: Summary): string {
  const { endMs, widthMs } = buckets;
  const data = {
    ...{ endMs, widthMs, rates: operations.rates },
    kinds: operations.kinds
      .filter(({ latency }) => latency !== null)
      .map(({ kind, latencies }) => ({ kind, latencies: latencies.map(rounded) })),
    nodes: nodes.map(({ name, spans, terms, commits }) => ({
      ...{ name, terms, commits },
      spans: spans.map(({ state, fromMs, toMs }) => [state, Math.round(fromMs), Math.round(toMs)]),
    })),
    faults: faults.map((fault) => ({
      fromMs: Math.round(fault.fromMs),
      toMs: Math.round(fault.toMs ?? endMs),
      words: faultWords(fault),
    })),
    violations: violations.flatMap(({ number, atMs, title }) =>
      atMs === null ? [] : { number, atMs: Math.round(atMs), title },
    ),
  };
  // In markup neither an end tag nor a comment can come of it.
  return JSON.stringify(data).replaceAll("<", "\\u003c");
}

function rounded(latency: Latency | null): readonly number[] | null {
  if (latency === null) return null;
  return [latency.p50, latency.p99, latency.max].map((ms) => Math.round(ms * 10) / 10);
}
