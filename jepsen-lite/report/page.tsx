import type { RunResult } from "../chaos/run-directory.ts";
import { dataOf } from "./data.ts";
import type { Summary } from "./summary.ts";
import { Counts, counted, FaultList, HowAgain } from "./tables.tsx";
import { momentOf } from "./time.ts";
import { Timeline } from "./timeline.tsx";
import { Violations } from "./violations.tsx";

/** What stands in a page as it is. */
export interface Inlined {
  readonly style: string;
  readonly script: string;
  /** Of the script, as a policy names it: `sha256-…`. */
  readonly scriptHash: string;
}

interface PageProps extends Inlined {
  readonly summary: Summary;
}

const MEANINGS = {
  valid: "Every promise was kept, and enough went on to say so.",
  invalid: "A promise was broken.",
  unknown: "Nothing was found to be broken, and nothing is proved.",
} as const;

export function Page({ summary, style, script, scriptHash }: PageProps) {
  const { result, orders, outcome } = summary;
  const { seed } = result ?? orders ?? { seed: null };
  const run = seed === null ? "Run" : `Run of seed ${seed}`;
  const name = result === null ? `${run}, cut off` : run;
  const policy = `default-src 'none'; style-src 'unsafe-inline'; script-src '${scriptHash}'`;
  return (
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta http-equiv="Content-Security-Policy" content={policy} />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <title>{`${name}: ${outcome?.outcome ?? "no verdict"}`}</title>
        <style dangerouslySetInnerHTML={{ __html: style }} />
      </head>
      <body>
        <header>
          <p class="product">Rollcall · real nodes, disturbed</p>
          <h1>{name}</h1>
        </header>
        <main>
          <Banner {...summary} />
          <Facts {...summary} />
          <Violations {...summary} />
          <Timeline summary={summary} />
          <Counts summary={summary} />
          <FaultList {...summary} />
          <HowAgain />
        </main>
        <script
          type="application/json"
          id="data"
          dangerouslySetInnerHTML={{ __html: dataOf(summary) }}
        />
        <script type="module" dangerouslySetInnerHTML={{ __html: script }} />
      </body>
    </html>
  );
}

function Banner({ outcome, violationCounts }: Pick<Summary, "outcome" | "violationCounts">) {
  if (outcome === null) {
    return (
      <div class="banner unknown" role="status">
        <strong>no verdict</strong>
        <p>The history of this run was not judged.</p>
      </div>
    );
  }
  const count = violationCounts.reduce((sum, [, each]) => sum + each, 0);
  const broken = count === 1 ? "one violation" : `${counted(count)} violations`;
  const reasons =
    count === 0
      ? outcome.why
      : violationCounts.map(([title, each]) => `${title}: ${counted(each)}×`);
  return (
    <div class={`banner ${outcome.outcome}`} role="status">
      <strong>{count === 0 ? outcome.outcome : `${outcome.outcome}: ${broken}`}</strong>
      <p>{MEANINGS[outcome.outcome]}</p>
      {reasons.length > 0 && (
        <ul>
          {reasons.map((reason) => (
            <li key={reason}>{reason}</li>
          ))}
        </ul>
      )}
    </div>
  );
}

function Facts({ result, elections, faults, operations, buckets, nodes }: Summary) {
  const sent = operations.kinds.reduce((sum, { invoked }) => sum + invoked, 0);
  const facts: readonly (readonly [string, string])[] = [
    ["nodes", counted(result?.nodes ?? nodes.length)],
    ["time", momentOf(buckets.endMs)],
    ["operations", counted(sent)],
    ...(result === null ? [] : countsOf(result)),
    ["elections", counted(result?.elections ?? elections.length)],
    ["faults", counted(faults.length)],
  ];
  return (
    <dl class="facts">
      {facts.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

function countsOf({ acknowledged, reads, deliveries }: RunResult): [string, string][] {
  return [
    ["writes acknowledged", counted(acknowledged)],
    ["reads answered", counted(reads)],
    ["deliveries", counted(deliveries)],
  ];
}
