import type { Around, Bar, Told } from "./around.ts";
import { faultWords, targetOf } from "./disturbances.tsx";
import { percentOf } from "./lanes.tsx";
import type { Summary, Violation } from "./summary.ts";
import { durationOf, momentOf } from "./time.ts";

type ViolationsProps = Pick<Summary, "violations" | "violationCounts" | "faults">;

/** Each with the events that contradict each other, and what was around them. */
export function Violations({ violations, violationCounts, faults }: ViolationsProps) {
  if (violations.length === 0) return null;
  const more = violationCounts.reduce((sum, [, count]) => sum + count, 0) - violations.length;
  return (
    <section aria-labelledby="violations">
      <h2 id="violations">Violations</h2>
      {violations.map((violation) => (
        <OneViolation key={violation.number} violation={violation} faults={faults} />
      ))}
      {more > 0 && (
        <p class="about">
          And {more.toLocaleString("en")} more, in <a href="verdict.json">verdict.json</a>.
        </p>
      )}
    </section>
  );
}

interface OneProps extends Pick<Summary, "faults"> {
  readonly violation: Violation;
}

function OneViolation({ violation, faults }: OneProps) {
  const { number, title, what, atMs, around } = violation;
  return (
    <details class="violation" id={`violation-${number}`} open={number === 1}>
      <summary>
        <span class="badge">{number}</span> <b>{title}</b>
        {atMs !== null && <span class="when"> at {momentOf(atMs)}</span>}
        <span class="what">{what}</span>
      </summary>
      {around === null ? (
        <p class="about">No events of the history tell of it; see the logs of the nodes.</p>
      ) : (
        <>
          <Bars around={around} faults={faults} />
          <Events events={around.events} />
        </>
      )}
    </details>
  );
}

/** The operations around, from their sending to their answer, a row for each client. */
function Bars({ around, faults }: { readonly around: Around } & Pick<Summary, "faults">) {
  const { fromMs, toMs, bars, events } = around;
  const lengthMs = Math.max(1, toMs - fromMs);
  const own = events.filter(({ isOfFinding }) => isOfFinding).map(({ process }) => process);
  const all = [...own, ...events.map(({ process }) => process)].filter((name) => name !== "");
  const near = faults.filter((fault) => fault.fromMs <= toMs && (fault.toMs ?? toMs) >= fromMs);
  const at = (atMs: number): string => percentOf(atMs - fromMs, lengthMs);
  return (
    <div class="around">
      <p class="about">
        From {momentOf(fromMs)} on, for {durationOf(lengthMs)}
        {near.length === 0 ? "; nothing was disturbed" : `; ${near.map(faultWords).join("; ")}`}.
        Red is what the finding names.
      </p>
      <div class="rows">
        {near.map((fault) => {
          const [from, to] = [Math.max(fromMs, fault.fromMs), Math.min(toMs, fault.toMs ?? toMs)];
          const style = { left: at(from), width: percentOf(to - from, lengthMs) };
          return (
            <span class="backdrop" key={fault.fromMs}>
              <i class={`shade on-${targetOf(fault)}`} style={style} />
            </span>
          );
        })}
        <div class="row scale">
          <b />
          <div class="track">
            <span>+0 ms</span>
            <span>+{durationOf(lengthMs)}</span>
          </div>
        </div>
        {[...new Set(all)].map((process) => {
          const own = bars.filter((bar) => bar.process === process);
          const rows = 1 + Math.max(0, ...own.map(({ row }) => row));
          return (
            <div class="row" key={process}>
              <b>{process}</b>
              <div class="track" style={{ height: `${rows * BAR_HEIGHT + 4}px` }}>
                {own.map((bar) => (
                  <OperationBar key={bar.what} bar={bar} around={around} />
                ))}
                {events
                  .filter((event) => event.process === process && event.op === null)
                  .map((event) => (
                    <i
                      key={event.at}
                      class={`tick${event.isOfFinding ? " own" : ""}`}
                      title={`${event.words}, at ${momentOf(event.atMs)}`}
                      style={{ left: at(event.atMs) }}
                    />
                  ))}
              </div>
            </div>
          );
        })}
      </div>
    </div>
  );
}

const BAR_HEIGHT = 15;
/** Narrower bars have no room for the number of their operation. */
const NUMBER_PART_MIN = 0.05;

interface BarProps {
  readonly bar: Bar;
  readonly around: Around;
}

/** Cut off where it reaches beyond what is shown. */
function OperationBar({ bar, around }: BarProps) {
  const { op, fromMs, toMs, what, isOfFinding, row } = bar;
  const lengthMs = Math.max(1, around.toMs - around.fromMs);
  const from = Math.max(fromMs, around.fromMs);
  const to = Math.min(toMs ?? around.toMs, around.toMs);
  const took = toMs === null ? "" : `, took ${durationOf(toMs - fromMs)}`;
  const kinds = [
    "operation",
    isOfFinding ? "own" : "",
    fromMs < around.fromMs ? "from-before" : "",
    toMs === null || toMs > around.toMs ? "endless" : "",
  ];
  return (
    <i
      class={kinds.filter((kind) => kind !== "").join(" ")}
      title={`${what}, sent at ${momentOf(fromMs)}${took}`}
      style={{
        left: percentOf(from - around.fromMs, lengthMs),
        width: percentOf(to - from, lengthMs),
        top: `${row * BAR_HEIGHT + 3}px`,
      }}
    >
      {to - from > lengthMs * NUMBER_PART_MIN ? op : ""}
    </i>
  );
}

function Events({ events }: { readonly events: readonly Told[] }) {
  const first = events[0]?.atMs ?? 0;
  return (
    <div class="wide">
      <table class="events">
        <thead>
          <tr>
            <th scope="col">event</th>
            <th scope="col">time</th>
            <th scope="col">who</th>
            <th scope="col">operation</th>
            <th scope="col">what</th>
          </tr>
        </thead>
        <tbody>
          {events.map(({ at, atMs, process, op, words, line, isOfFinding }) => (
            <tr key={at} class={isOfFinding ? "own" : undefined}>
              <td class="number">{at}</td>
              <td class="number" title={momentOf(atMs)}>
                +{(atMs - first).toFixed(1)} ms
              </td>
              <td>{process}</td>
              <td class="number">{op ?? ""}</td>
              <td>
                <details>
                  <summary>{words}</summary>
                  <code>{line}</code>
                </details>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
