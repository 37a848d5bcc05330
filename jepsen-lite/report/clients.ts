import type { Event, History } from "../history.ts";
import { laneOf, type OfClient, type Operations } from "./operations.ts";
import { Marks, Row, type Span } from "./spans.ts";
import type { Buckets } from "./time.ts";

/**
 * `opening`: asked for, and not answered. `open`: its session, or its watch, is confirmed on a
 * connection. `detached`: its session lives on, and it has no connection that is confirmed.
 */
export type ClientState = "opening" | "open" | "detached";

export interface ClientRow extends OfClient {
  readonly name: string;
  readonly spans: readonly Span<ClientState>[];
  /** Where it was told that its session is over, and why. */
  readonly ends: Marks["all"];
  readonly sessions: number;
  readonly watches: number;
}

/** In the order of their names; O(events). */
export function clientsOf(
  history: History,
  { clients }: Operations,
  { endMs, count }: Buckets,
): ClientRow[] {
  const lives = new Lives(endMs);
  for (const event of history) lives.take(event);
  const none = new Array<number>(count).fill(0);
  const rows = [...lives.byName].map(([name, { row, ends, sessions, watches }]): ClientRow => {
    const { invoked, unknown } = clients.get(name) ?? { invoked: none, unknown: none };
    return { name, spans: row.spans, ends: ends.all, sessions, watches, invoked, unknown };
  });
  return rows.sort((a, b) => a.name.localeCompare(b.name, "en", { numeric: true }));
}

interface Life {
  readonly row: Row<ClientState>;
  readonly ends: Marks;
  sessions: number;
  watches: number;
}

class Lives {
  readonly byName = new Map<string, Life>();
  readonly #endMs: number;
  readonly #bySession = new Map<string, Life>();
  readonly #byStream = new Map<number, Life>();
  /** Openings and touches that wait for their answer. */
  readonly #confirming = new Map<number, Life>();

  constructor(endMs: number) {
    this.#endMs = endMs;
  }

  take(event: Event): void {
    const { atMs } = event;
    switch (event.type) {
      case "invoke":
        this.#invoke(event);
        return;
      case "ok":
        this.#confirming.get(event.op)?.row.become("open", atMs);
        this.#confirming.delete(event.op);
        return;
      case "closed":
        this.#bySession.get(event.session)?.row.become("detached", atMs);
        return;
      case "abandoned":
        this.#over(event.session, atMs);
        return;
      case "toldEnd":
        this.#bySession.get(event.session)?.ends.add(atMs, `told of the end: ${event.reason}`);
        this.#over(event.session, atMs);
        return;
      case "subscribe": {
        const life = this.#life(event.process);
        life.watches += 1;
        life.row.become("opening", atMs);
        this.#byStream.set(event.stream, life);
        return;
      }
      case "snapshot":
      case "delta":
      case "mark":
        this.#byStream.get(event.stream)?.row.become("open", atMs);
        return;
      default:
        return;
    }
  }

  #invoke({ process, call, op, atMs }: Event & { type: "invoke" }): void {
    const life = this.#life(process);
    if (call.kind === "open") {
      life.sessions += 1;
      life.row.become("opening", atMs);
      this.#bySession.set(call.session, life);
    }
    if (call.kind === "open" || call.kind === "touch") this.#confirming.set(op, life);
  }

  #over(session: string, atMs: number): void {
    this.#bySession.get(session)?.row.become(null, atMs);
    this.#bySession.delete(session);
  }

  #life(process: string): Life {
    const name = laneOf(process);
    const known = this.byName.get(name);
    if (known !== undefined) return known;
    const [row, ends] = [new Row<ClientState>(this.#endMs), new Marks(this.#endMs)];
    const life: Life = { row, ends, sessions: 0, watches: 0 };
    this.byName.set(name, life);
    return life;
  }
}
