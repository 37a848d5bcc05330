import { Drawing, Grid, Lane, PADDING, percentOf, unitsOf, WIDTH } from "./lanes.tsx";
import type { NodeRow } from "./nodes.ts";
import type { Summary } from "./summary.ts";
import { type Buckets, momentOf, valueTicks } from "./time.ts";

/** Roles as they are said by nodes, and what is seen of those that say nothing. */
export const ROLES: Readonly<Record<string, string>> = {
  leader: "leader",
  follower: "follower",
  candidate: "candidate",
  preCandidate: "pre-candidate",
  learner: "learner",
  silent: "runs, and does not answer",
  down: "does not run",
};

/** Of the colours of nodes, which come again behind the last. */
const COLOURS = 7;

export function colourOf(place: number): string {
  return `node-${(place % COLOURS) + 1}`;
}

interface NodesProps {
  readonly nodes: readonly NodeRow[];
  readonly buckets: Buckets;
}

/** What each node was, and when it was elected. */
export function RoleLanes({ nodes, buckets: { endMs } }: NodesProps) {
  return (
    <>
      {nodes.map(({ name, spans, elected }) => (
        <Lane key={name} name={name} note={`elected ${elected.length}×`} height={20} kind="roles">
          {spans.map(({ state, fromMs, toMs }) => (
            <span
              key={fromMs}
              class={`span role-${Object.hasOwn(ROLES, state) ? state : "other"}`}
              title={`${name} ${ROLES[state] ?? state}, ${momentOf(fromMs)} to ${momentOf(toMs)}`}
              style={{ left: percentOf(fromMs, endMs), width: percentOf(toMs - fromMs, endMs) }}
            />
          ))}
          {elected.map(({ atMs, term }) => (
            <span
              key={atMs}
              class="elected"
              title={`${name} elected at ${momentOf(atMs)}${term === null ? "" : `, term ${term}`}`}
              style={{ left: percentOf(atMs, endMs) }}
            />
          ))}
        </Lane>
      ))}
    </>
  );
}

/** Who led, by the word of its own. */
export function LeaderLane({ nodes, buckets: { endMs } }: NodesProps) {
  const spans = nodes.flatMap(({ name, spans: own, elected }, place) =>
    own
      .filter(({ state }) => state === "leader")
      .map((span) => {
        const { term } = elected.findLast(({ atMs }) => atMs <= span.toMs) ?? {};
        return { ...span, name, place, words: term ? `${name}, term ${term}` : name };
      }),
  );
  return (
    <Lane name="leader" note="by its own word" height={20} kind="roles">
      {spans.map(({ fromMs, toMs, name, place, words }) => (
        <span
          key={`${name} ${fromMs}`}
          class={`span leads ${colourOf(place)}`}
          title={`${words}, ${momentOf(fromMs)} to ${momentOf(toMs)}`}
          style={{ left: percentOf(fromMs, endMs), width: percentOf(toMs - fromMs, endMs) }}
        >
          <b>{words}</b>
        </span>
      ))}
    </Lane>
  );
}

/** The term of each node. */
export function TermLane({ nodes, buckets }: NodesProps) {
  return <NodeLines {...{ nodes, buckets }} name="term" height={80} of={({ terms }) => terms} />;
}

/** The commit index of each node. */
export function CommitLane({ nodes, buckets }: NodesProps) {
  const of = ({ commits }: NodeRow) => commits;
  return <NodeLines {...{ nodes, buckets }} name="commit index" height={130} of={of} />;
}

interface NodeLinesProps extends NodesProps {
  readonly name: string;
  readonly height: number;
  readonly of: (node: NodeRow) => readonly (number | null)[];
}

function NodeLines({ nodes, buckets, name, height, of }: NodeLinesProps) {
  const all = nodes.flatMap((node) => of(node).filter((value) => value !== null));
  const ticks = valueTicks(Math.max(1, ...all), 4);
  const top = ticks.at(-1) ?? 1;
  const yOf = (value: number): number => height - PADDING - (value / top) * (height - 2 * PADDING);
  const scale = ticks.map((value) => ({ label: String(value), top: yOf(value) / height }));
  return (
    <Lane name={name} scale={scale} height={height}>
      <Drawing height={height}>
        <Grid tops={ticks.map(yOf)} />
        {nodes.map((node, place) => (
          <path
            key={node.name}
            class={`line ${colourOf(place)}`}
            d={stepsOf(of(node), buckets, yOf)}
          />
        ))}
      </Drawing>
    </Lane>
  );
}

/** Level from one value to the next; where a node says nothing for long, there is a gap. */
function stepsOf(
  values: readonly (number | null)[],
  { widthMs, endMs }: Buckets,
  yOf: (value: number) => number,
): string {
  const gapMax = Math.max(1, Math.ceil(GAP_MS / widthMs));
  const parts: string[] = [];
  let lastAt = Number.NEGATIVE_INFINITY;
  values.forEach((value, at) => {
    if (value === null) return;
    const x = unitsOf(at * widthMs, endMs);
    const y = yOf(value).toFixed(1);
    parts.push(at - lastAt > gapMax ? `M${x} ${y}` : `H${x}V${y}`);
    lastAt = at;
  });
  if (parts.length > 0) parts.push(`H${Math.min(WIDTH, unitsOf((lastAt + 1) * widthMs, endMs))}`);
  return parts.join("");
}

/** Longer than it is from one sample to the next. */
const GAP_MS = 700;

export function NodeLegend({ nodes }: Pick<Summary, "nodes">) {
  return (
    <ul class="legend">
      {nodes.map(({ name }, place) => (
        <li key={name}>
          <i class={`line ${colourOf(place)}`} />
          {name}
        </li>
      ))}
    </ul>
  );
}
