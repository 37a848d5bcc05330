import type { ComponentChildren } from "preact";
import { FILES } from "../chaos/run-directory.ts";
import type { CheckerName, RefereeCounts } from "../checker/verdict.ts";
import { evidenceWords, targetOf } from "./disturbances.tsx";
import type { Latency } from "./operations.ts";
import type { Summary } from "./summary.ts";
import { durationOf, momentOf } from "./time.ts";

/** What each checker holds the history against, and what it counts. */
const CHECKERS: Readonly<Record<CheckerName, readonly [what: string, looked: string]>> = {
  streams: ["each watch: in order, each change once, no gap", "events of watches"],
  serializable: ["one order of all revisions explains every answer", "writes acknowledged"],
  "lost-writes": [
    "what was acknowledged is still there, and linearizable reads see it",
    "linearizable reads",
  ],
  leases: ["sessions end when they may, and not before", "ends of sessions"],
  monotone: ["nobody is shown an older state than before", "reads, and beginnings of watches"],
  "exactly-once": [
    "a write that is repeated has one answer and one effect",
    "writes that were repeated",
  ],
  referee: [
    "by no revision: the operations of each key have an order that explains every answer",
    "acts",
  ],
  fencing: ["a resource takes no token that is older than one before", "uses of the resource"],
};

interface TableProps {
  readonly head: readonly string[];
  readonly rows: readonly (readonly ComponentChildren[])[];
  /** How many columns, from the left, hold words. */
  readonly words: number;
}

function Table({ head, rows, words }: TableProps) {
  const kind = (at: number): string => (at < words ? "" : "number");
  return (
    <div class="wide">
      <table>
        <thead>
          <tr>
            {head.map((cell, at) => (
              <th key={cell} scope="col" class={kind(at)}>
                {cell}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((cells, row) => (
            <tr key={row}>
              {cells.map((cell, at) => (
                <td key={head[at]} class={kind(at)}>
                  {cell}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

export function Counts({ summary }: { readonly summary: Summary }) {
  return (
    <section aria-labelledby="counts">
      <h2 id="counts">Counts</h2>
      <div class="columns">
        <OperationsTable {...summary} />
        <CheckersTable {...summary} />
        <FaultsTable {...summary} />
        <NodesTable {...summary} />
      </div>
    </section>
  );
}

function OperationsTable({ operations: { kinds } }: Pick<Summary, "operations">) {
  const took = (latency: Latency | null, of: keyof Latency): string =>
    latency === null ? "" : durationOf(latency[of]);
  const rows = kinds.map(({ kind, invoked, ok, refused, unknown, latency }) => [
    ...[kind, ...[invoked, ok, refused, unknown].map(counted)],
    ...[took(latency, "p50"), took(latency, "p99"), took(latency, "max")],
  ]);
  const head = ["operation", "sent", "ok", "refused", "unknown", "p50", "p99", "max"];
  return (
    <div class="table broad">
      <h3>Operations</h3>
      <Table head={head} rows={rows} words={1} />
    </div>
  );
}

function CheckersTable({ verdict }: Pick<Summary, "verdict">) {
  if (verdict === null) return null;
  const row = (name: CheckerName, looked: number, isUnknown: boolean, aside = "") => {
    const found = verdict.findings.filter(({ checker }) => checker === name).length;
    const [what, of] = CHECKERS[name];
    const verdictOf = found > 0 ? "broken" : isUnknown ? "unknown" : "kept";
    return [
      name,
      what,
      <span key={name} class={`verdict ${verdictOf}`}>
        {found > 0 ? `${counted(found)} broken` : verdictOf}
      </span>,
      of + aside,
      counted(looked),
    ];
  };
  const { looked, referee } = verdict;
  const rows = [
    ...Object.entries(looked).map(([name, count]) => row(name as CheckerName, count, count === 0)),
    row("referee", referee.acts, isUnknown(referee), asideOf(referee)),
  ];
  return (
    <div class="table broad">
      <h3>Checkers</h3>
      <Table
        head={["checker", "holds that", "verdict", "looked at", "how many"]}
        rows={rows}
        words={4}
      />
    </div>
  );
}

function isUnknown({ acts, unknown }: RefereeCounts): boolean {
  return acts === 0 || unknown.length > 0;
}

/** What the acts of the referee are of, and what they took. */
function asideOf({ keys, steps, unknown }: RefereeCounts): string {
  const names = unknown.map(({ key }) => key).join(", ");
  const nothing = names === "" ? "" : `; nothing can be said of ${names}`;
  return ` of ${counted(keys)} keys, placed in ${counted(steps)} steps${nothing}`;
}

function FaultsTable({
  faults,
  schedule,
  buckets: { endMs },
}: Pick<Summary, "faults" | "schedule" | "buckets">) {
  const strikes = schedule.flatMap((window) => window.strikes);
  const names = [...new Set([...faults, ...strikes].map(({ nemesis }) => nemesis))].sort();
  const rows = names.map((name) => {
    const own = faults.filter(({ nemesis }) => nemesis === name);
    const lastedMs = own.reduce((sum, { fromMs, toMs }) => sum + (toMs ?? endMs) - fromMs, 0);
    const drawn = strikes.filter(({ nemesis }) => nemesis === name).length;
    const seen = own.filter(({ evidence }) => evidence !== null).length;
    const lasted = own.length === 0 ? "" : momentOf(lastedMs);
    return [name, ...[drawn, own.length, seen].map(counted), lasted];
  });
  return (
    <div class="table">
      <h3>Faults</h3>
      <Table head={["nemesis", "drawn", "struck", "took effect", "in all"]} rows={rows} words={1} />
    </div>
  );
}

function NodesTable({ nodes, buckets: { endMs } }: Pick<Summary, "nodes" | "buckets">) {
  const rows = nodes.map(({ name, spans, elected }) => {
    const lasted = (...states: string[]): string => {
      const own = spans.filter(({ state }) => states.includes(state));
      const sumMs = own.reduce((sum, { fromMs, toMs }) => sum + toMs - fromMs, 0);
      return `${Math.round((sumMs / endMs) * 100)} %`;
    };
    const log = (
      <a key={name} href={`${name}.log`}>
        {name}
      </a>
    );
    return [log, counted(elected.length), lasted("leader"), lasted("silent"), lasted("down")];
  });
  return (
    <div class="table">
      <h3>Nodes</h3>
      <Table head={["log of", "elected", "led", "silent", "down"]} rows={rows} words={1} />
    </div>
  );
}

/** Each fault in words, for whoever looks for one, and where nothing is to be pointed at. */
export function FaultList({ faults }: Pick<Summary, "faults">) {
  const rows = faults.map((fault) => {
    const { nemesis, what, fromMs, toMs, evidence } = fault;
    return [
      <span key={fromMs} class="swatch">
        <i class={`on-${targetOf(fault)}`} /> {nemesis}
      </span>,
      what,
      evidence === null ? "nothing" : evidenceWords(evidence),
      momentOf(fromMs),
      toMs === null ? "not ended" : durationOf(toMs - fromMs),
    ];
  });
  return (
    <section aria-labelledby="faults">
      <h2 id="faults">Faults</h2>
      <details open={faults.length <= FAULTS_OPEN_MAX}>
        <summary>
          {faults.length === 0 ? "None" : `All ${counted(faults.length)}, in their order`}
        </summary>
        <Table
          head={["nemesis", "what was done", "what was seen of it", "from", "for"]}
          rows={rows}
          words={3}
        />
      </details>
    </section>
  );
}

const FAULTS_OPEN_MAX = 40;

export function HowAgain() {
  const files: readonly (readonly [string, string])[] = [
    [FILES.orders, "what the run was asked to do"],
    [FILES.history, "what clients did and were told, an event a line"],
    [FILES.schedule, "windows and strikes, as they were drawn"],
    [FILES.faults, "what was done, when, and what was seen of its effect"],
    [FILES.views, "what each node said of itself, some times a second"],
    [FILES.verdict, "what the checkers say, with the positions of events in the history"],
    [FILES.result, "counts, and what the run comes to"],
  ];
  return (
    <section aria-labelledby="again">
      <h2 id="again">Once more</h2>
      <p class="about">The same plan; processes and sockets have times of their own:</p>
      <pre>npx rollcall chaos replay DIRECTORY</pre>
      <p class="about">The same history judged once more, and this page made anew:</p>
      <pre>npx rollcall chaos recheck DIRECTORY</pre>
      <p class="about">All moments are milliseconds of one clock. Beside this page:</p>
      <ul class="files">
        {files.map(([name, what]) => (
          <li key={name}>
            <a href={name}>{name}</a> {what}
          </li>
        ))}
      </ul>
    </section>
  );
}

export function counted(count: number): string {
  return count.toLocaleString("en");
}
