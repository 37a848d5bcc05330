import type { ComponentChildren } from "preact";
import { ClientLanes } from "./client-lanes.tsx";
import {
  FaultLanes,
  ScheduleLane,
  Shades,
  TARGETS,
  targetOf,
  ViolationLane,
} from "./disturbances.tsx";
import { TimeAxis } from "./lanes.tsx";
import { CommitLane, LeaderLane, NodeLegend, ROLES, RoleLanes, TermLane } from "./node-lanes.tsx";
import { LatencyLanes, RateLanes } from "./plots.tsx";
import type { Summary } from "./summary.ts";
import { durationOf } from "./time.ts";

/** All that went on, one lane below the other, by one clock. */
export function Timeline({ summary }: { readonly summary: Summary }) {
  const { buckets, nodes, clients, operations, violations, faults, schedule } = summary;
  const { endMs } = buckets;
  return (
    <section aria-labelledby="timeline">
      <h2 id="timeline">Timeline</h2>
      <p class="about">
        One column is {durationOf(buckets.widthMs)}. Where something was disturbed, all lanes are
        shaded; names stand in the first lanes, and details below the pointer.
      </p>
      <Tools />
      <div class="frame">
        {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls has to be reached without a pointer, and its keys move in it */}
        <section class="scroller" id="scroller" tabIndex={0} aria-label="Lanes over time">
          <div class="lanes" id="lanes">
            <Group title="Disturbances" legend={<TargetLegend faults={faults} />} summary={summary}>
              <ViolationLane violations={violations} endMs={endMs} />
              <ScheduleLane {...{ schedule, faults, buckets }} />
              <FaultLanes faults={faults} buckets={buckets} />
            </Group>
            <Group title="Nodes" legend={<RoleLegend />} summary={summary}>
              <RoleLanes nodes={nodes} buckets={buckets} />
            </Group>
            <Group
              title="Leader, term, commit index"
              legend={<NodeLegend nodes={nodes} />}
              summary={summary}
            >
              <LeaderLane nodes={nodes} buckets={buckets} />
              <TermLane nodes={nodes} buckets={buckets} />
              <CommitLane nodes={nodes} buckets={buckets} />
            </Group>
            <Group title="Clients" legend={<ClientLegend />} summary={summary}>
              <ClientLanes clients={clients} buckets={buckets} />
            </Group>
            <Group title="Answers a second" legend={<RateLegend />} summary={summary}>
              <RateLanes operations={operations} buckets={buckets} />
            </Group>
            <Group
              title="Latency of what was answered"
              legend={<LatencyLegend />}
              summary={summary}
            >
              <LatencyLanes operations={operations} buckets={buckets} />
            </Group>
            <div class="cursor" id="cursor" hidden />
          </div>
        </section>
        <Dock />
      </div>
    </section>
  );
}

function Tools() {
  return (
    <div class="tools" id="tools" hidden>
      <span>
        Zoom{" "}
        <button type="button" data-zoom-by="0.5" aria-label="Zoom out">
          −
        </button>{" "}
        <output id="zoom">1×</output>{" "}
        <button type="button" data-zoom-by="2" aria-label="Zoom in">
          +
        </button>
      </span>
      <span>
        <kbd>←</kbd> <kbd>→</kbd> a column (with Shift ten), <kbd>f</kbd> <kbd>F</kbd> the fault
        after and before, <kbd>v</kbd> <kbd>V</kbd> the violation, <kbd>+</kbd> <kbd>−</kbd> zoom
      </span>
    </div>
  );
}

/** What there was at one moment; filled in by the script. */
function Dock() {
  return (
    <div class="dock" id="dock" aria-live="polite" hidden>
      <p class="hint">
        Point at a moment, or go to the lanes with Tab and move with the arrow keys.
      </p>
    </div>
  );
}

interface GroupProps {
  readonly title: string;
  readonly legend: ComponentChildren;
  readonly summary: Summary;
  readonly children: ComponentChildren;
}

function Group({ title, legend, summary, children }: GroupProps) {
  return (
    <div class="group">
      <div class="heading">
        <h3>{title}</h3>
        {legend}
      </div>
      <div class="stack">
        <Shades {...summary} />
        {children}
      </div>
      <TimeAxis endMs={summary.buckets.endMs} />
    </div>
  );
}

function Legend({ entries }: { readonly entries: readonly (readonly [string, string])[] }) {
  return (
    <ul class="legend">
      {entries.map(([kind, words]) => (
        <li key={kind}>
          <i class={kind} />
          {words}
        </li>
      ))}
    </ul>
  );
}

function TargetLegend({ faults }: Pick<Summary, "faults">) {
  const hasOthers = faults.some((fault) => targetOf(fault) === "other");
  const targets = Object.entries({ ...TARGETS, ...(hasOthers && { other: "something else" }) });
  const entries = targets.map(([on, words]) => [`on-${on}`, words] as const);
  return (
    <Legend
      entries={[
        ...entries,
        ["in-vain", "nothing was seen of it"],
        ["calm", "from here on nothing is disturbed"],
        ["broken", "a promise is broken"],
      ]}
    />
  );
}

function RoleLegend() {
  const roles = Object.entries(ROLES).map(([role, words]) => [`role-${role}`, words] as const);
  return <Legend entries={[...roles, ["elected", "elected"]]} />;
}

function ClientLegend() {
  return (
    <Legend
      entries={[
        ["asked", "operations sent, as the root of their number"],
        ["unknown", "some of them never answered"],
        ["session-open", "session or watch confirmed"],
        ["session-opening", "asked for"],
        ["session-detached", "session without a connection"],
        ["ended", "told that it is over"],
      ]}
    />
  );
}

function RateLegend() {
  return (
    <Legend
      entries={[
        ["rate-writes", "writes"],
        ["rate-reads", "reads"],
        ["rate-sessions", "openings and signs of life"],
        ["rate-refused", "refused, without effect"],
        ["rate-unknown", "unknown: given up, or never answered"],
      ]}
    />
  );
}

function LatencyLegend() {
  return (
    <Legend
      entries={[
        ["latency-p50", "median"],
        ["latency-band", "from there to 99 of 100"],
        ["latency-max", "slowest"],
      ]}
    />
  );
}
