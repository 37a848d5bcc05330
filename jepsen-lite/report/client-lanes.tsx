import type { ClientRow, ClientState } from "./clients.ts";
import { Drawing, Lane, percentOf, unitsOf } from "./lanes.tsx";
import { type Buckets, momentOf } from "./time.ts";

const HEIGHT = 24;
/** Of the strip below that says in what state a session is. */
const STRIP = 5;
const UNKNOWN = 5;
const ROWS_MAX = 48;
const STATES = ["opening", "open", "detached"] as const satisfies readonly ClientState[];

interface ClientsProps {
  readonly clients: readonly ClientRow[];
  readonly buckets: Buckets;
}

/** How much each client asked for, in what state its session or its watch was, and what stayed unknown. */
export function ClientLanes({ clients, buckets }: ClientsProps) {
  const shown = clients.slice(0, ROWS_MAX);
  const most = Math.max(1, ...shown.map(({ invoked }) => Math.max(...invoked)));
  return (
    <>
      {shown.map((client) => (
        <Lane
          key={client.name}
          name={client.name}
          note={noteOf(client)}
          height={HEIGHT}
          kind="clients"
        >
          <Drawing height={HEIGHT}>
            <path class="asked" d={columnsOf(client.invoked, most, buckets)} />
            <path class="unknown" d={ticksOf(client.unknown, buckets)} />
            {STATES.map((state) => (
              <path key={state} class={`session-${state}`} d={stripOf(client, state, buckets)} />
            ))}
          </Drawing>
          {client.ends.map(({ atMs, what }) => (
            <span
              key={atMs}
              class="ended"
              title={`${client.name} ${what}, at ${momentOf(atMs)}`}
              style={{ left: percentOf(atMs, buckets.endMs) }}
            >
              ×
            </span>
          ))}
        </Lane>
      ))}
      {clients.length > shown.length && (
        <Lane name="…" height={HEIGHT}>
          <span class="inside">and {clients.length - shown.length} more clients</span>
        </Lane>
      )}
    </>
  );
}

function noteOf({ sessions, watches }: ClientRow): string {
  if (sessions > 0) return sessions === 1 ? "1 session" : `${sessions} sessions`;
  if (watches > 0) return watches === 1 ? "1 watch" : `${watches} watches`;
  return "no session";
}

/** As tall as the root of the count: the quiet ones are to be seen beside the busy ones. */
function columnsOf(counts: readonly number[], most: number, { widthMs, endMs }: Buckets): string {
  const floor = HEIGHT - STRIP - 1;
  return counts
    .map((count, at) => {
      if (count === 0) return "";
      const height = Math.max(1, Math.sqrt(count / most) * (floor - UNKNOWN));
      const [from, to] = [unitsOf(at * widthMs, endMs), unitsOf((at + 1) * widthMs, endMs)];
      return `M${from} ${floor}V${(floor - height).toFixed(1)}H${to}V${floor}Z`;
    })
    .join("");
}

function ticksOf(counts: readonly number[], { widthMs, endMs }: Buckets): string {
  return counts
    .map((count, at) =>
      count === 0 ? "" : `M${unitsOf((at + 0.5) * widthMs, endMs)} 0V${UNKNOWN}`,
    )
    .join("");
}

function stripOf({ spans }: ClientRow, of: ClientState, { endMs }: Buckets): string {
  const y = HEIGHT - STRIP / 2;
  return spans
    .filter(({ state }) => state === of)
    .map(({ fromMs, toMs }) => `M${unitsOf(fromMs, endMs)} ${y}H${unitsOf(toMs, endMs)}`)
    .join("");
}
