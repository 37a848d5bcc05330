import type { Place } from "./clusters.ts";
import type { Work } from "./slice.ts";

/** What is measured. A new figure is a new row here. */
export interface Row {
  /** What `--only` picks by. */
  readonly name: string;
  readonly work: Work;
  readonly inFlight: number;
  readonly connections: number;
  /** Where Rollcall takes the load: a slice, and a line of the table, for each. */
  readonly places: readonly Place[];
  /** Each round has a slice of the bare pipeline beside Rollcall's. */
  readonly hasFloor: boolean;
  /** Part of `--quick`. */
  readonly isQuick: boolean;
}

const both: readonly Place[] = ["leader", "follower"];

function register(
  inFlight: number,
  connections: number,
  places: readonly Place[],
  isQuick: boolean,
): Row {
  const name = `register-${inFlight}`;
  const work = { kind: "register" } as const;
  return { name, work, inFlight, connections, places, hasFloor: true, isQuick };
}

function get(read: "linearizable" | "stale", list: number): Row {
  const name = `${read}-${list}`;
  const work = { kind: "get", read, list } as const;
  const places = ["leader"] as const;
  return { name, work, inFlight: 256, connections: 16, places, hasFloor: false, isQuick: false };
}

export const rows: readonly Row[] = [
  register(1, 1, both, true),
  register(64, 8, ["leader"], false),
  register(256, 16, both, true),
  register(1024, 32, ["leader"], false),
  get("linearizable", 1),
  get("linearizable", 10),
  get("linearizable", 100),
  get("stale", 1),
  get("stale", 10),
  get("stale", 100),
];
