import type { Disturbance } from "../chaos/run-directory.ts";
import type { Evidence, Ground } from "../nemeses/nemesis.ts";
import { Lane, percentOf, unitsOf, WIDTH } from "./lanes.tsx";
import type { Summary, Violation } from "./summary.ts";
import { momentOf } from "./time.ts";

/** What a nemesis works on, each with a colour of its own; whatever else there is has one together. */
export const TARGETS: Readonly<Record<Ground, string>> = {
  processes: "node processes",
  network: "between nodes",
  sockets: "connections and leadership",
  clients: "clients",
  members: "membership",
  clocks: "clocks",
};

export function targetOf({ on }: Disturbance): string {
  return Object.hasOwn(TARGETS, on) ? on : "other";
}

export function faultWords(fault: Disturbance): string {
  const { nemesis, what, fromMs, toMs, evidence } = fault;
  const until = toMs === null ? "not ended before the run was" : `to ${momentOf(toMs)}`;
  const seen = evidence === null ? "" : `; seen: ${evidenceWords(evidence)}`;
  const how = isInVain(fault) ? "; nothing was seen of it" : seen;
  return `${nemesis}: ${what} (from ${momentOf(fromMs)} ${until}${how})`;
}

export function evidenceWords({ count, unit }: Evidence): string {
  return `${count.toLocaleString("en")} ${unit}`;
}

/** It was ended, and nothing was seen of its effect. */
function isInVain({ toMs, evidence }: Disturbance): boolean {
  return toMs !== null && evidence === null;
}

/** Behind all lanes of a group: when something was disturbed, and lines where something was broken. */
export function Shades({
  faults,
  violations,
  calmMs,
  buckets: { endMs },
}: Pick<Summary, "faults" | "violations" | "calmMs" | "buckets">) {
  const at = (atMs: number): number => unitsOf(atMs, endMs);
  return (
    <svg class="shades" viewBox={`0 0 ${WIDTH} 1`} preserveAspectRatio="none" aria-hidden="true">
      {faults.map((fault) => {
        const x = at(fault.fromMs);
        const width = Math.max(8, at(fault.toMs ?? endMs) - x);
        return <rect key={x} class={`on-${targetOf(fault)}`} x={x} width={width} height="1" />;
      })}
      {calmMs !== null && <path class="calm" d={`M${at(calmMs)} 0V1`} />}
      {violations.map(({ number, atMs }) =>
        atMs === null ? null : <path key={number} class="broken" d={`M${at(atMs)} 0V1`} />,
      )}
    </svg>
  );
}

export function ViolationLane({
  violations,
  endMs,
}: {
  readonly violations: readonly Violation[];
  readonly endMs: number;
}) {
  const clusters = clustersOf(violations, endMs * CLUSTER_PART);
  if (clusters.length === 0) return null;
  return (
    <Lane name="violations" height={24} kind="violations">
      {clusters.map(([first, ...others]) => {
        const all = [first, ...others];
        const last = all.at(-1) ?? first;
        return (
          <a
            key={first.number}
            class="badge"
            href={`#violation-${first.number}`}
            title={all.map(({ number, title }) => `${number}: ${title}`).join("\n")}
            style={{ left: percentOf(first.atMs, endMs) }}
          >
            {others.length === 0 ? first.number : `${first.number}, … ${last.number}`}
          </a>
        );
      })}
    </Lane>
  );
}

type Marked = Violation & { readonly atMs: number };

/** Nearer than this, as a part of the run, they share a mark. */
const CLUSTER_PART = 0.03;

function clustersOf(violations: readonly Violation[], nearMs: number): [Marked, ...Marked[]][] {
  const marked = violations.filter((each): each is Marked => each.atMs !== null);
  const clusters: [Marked, ...Marked[]][] = [];
  for (const violation of marked.sort((a, b) => a.atMs - b.atMs)) {
    const cluster = clusters.at(-1);
    if (cluster !== undefined && violation.atMs - cluster[0].atMs < nearMs) cluster.push(violation);
    else clusters.push([violation]);
  }
  return clusters;
}

/** A lane for each nemesis that has struck, in the order of their first strikes. */
export function FaultLanes({ faults, buckets: { endMs } }: Pick<Summary, "faults" | "buckets">) {
  const names = [...new Set(faults.map(({ nemesis }) => nemesis))];
  return (
    <>
      {names.map((name) => {
        const own = faults.filter(({ nemesis }) => nemesis === name);
        return (
          <Lane key={name} name={name} note={`${own.length}×`} height={18} kind="faults">
            {own.map((fault) => (
              <FaultBar key={fault.fromMs} fault={fault} endMs={endMs} />
            ))}
          </Lane>
        );
      })}
      {names.length === 0 && (
        <Lane name="faults" height={18}>
          <span class="inside">nothing was disturbed</span>
        </Lane>
      )}
    </>
  );
}

function FaultBar({ fault, endMs }: { readonly fault: Disturbance; readonly endMs: number }) {
  const { fromMs, toMs } = fault;
  const left = percentOf(fromMs, endMs);
  const width = percentOf((toMs ?? endMs) - fromMs, endMs);
  const endless = toMs === null ? " endless" : "";
  const inVain = isInVain(fault) ? " in-vain" : "";
  return (
    <span
      class={`bar on-${targetOf(fault)}${endless}${inVain}`}
      title={faultWords(fault)}
      style={{ left, width }}
    />
  );
}

/** What was drawn: windows, quiet ones among them; and rest, when the last was over. */
export function ScheduleLane({
  schedule,
  faults,
  buckets: { endMs },
}: Pick<Summary, "schedule" | "faults" | "buckets">) {
  const last = schedule.at(-1);
  if (last === undefined) return null;
  // Some take longer to be undone than they were drawn for.
  const undoneMs = faults.map(({ toMs }) => toMs ?? endMs);
  const restMs = Math.max(last.atMs + last.lengthMs, ...undoneMs);
  return (
    <Lane name="schedule" note="as drawn" height={18} kind="schedule">
      {schedule.map(({ atMs, lengthMs, strikes }) => {
        const words = strikes.map(({ nemesis, forMs }) => `${nemesis} for ${momentOf(forMs)}`);
        const what = words.join(", ") || "quiet";
        return (
          <span
            key={atMs}
            class={`window${strikes.length === 0 ? " quiet" : ""}`}
            title={`drawn at ${momentOf(atMs)}, for ${momentOf(lengthMs)}: ${what}`}
            style={{ left: percentOf(atMs, endMs), width: percentOf(lengthMs, endMs) }}
          >
            <b>
              {strikes.length === 0 ? "quiet" : strikes.map(({ nemesis }) => nemesis).join(" + ")}
            </b>
          </span>
        );
      })}
      {restMs < endMs && (
        <span
          class="window rest"
          title={`from ${momentOf(restMs)} on all is made whole, and comes to rest`}
          style={{ left: percentOf(restMs, endMs), width: percentOf(endMs - restMs, endMs) }}
        >
          <b>healing and rest</b>
        </span>
      )}
    </Lane>
  );
}
