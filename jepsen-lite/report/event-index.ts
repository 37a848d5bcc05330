import type { Event, History } from "../history.ts";

/** Positions of what belongs to one operation; null where it is not there. */
export interface OperationAt {
  readonly invoked: number;
  completed: number | null;
}

/** Which events belong together. O(events). */
export class EventIndex {
  readonly history: History;
  readonly #operations = new Map<number, OperationAt>();
  readonly #streams = new Map<number, string>();
  readonly #sessions = new Map<string, string>();

  constructor(history: History) {
    this.history = history;
    history.forEach((event, at) => {
      this.#take(event, at);
    });
  }

  operation(op: number): OperationAt | null {
    return this.#operations.get(op) ?? null;
  }

  /** Of the invocation that an event belongs to. */
  invocation(event: Event): (Event & { type: "invoke" }) | null {
    if (event.type === "invoke") return event;
    const invoked = "op" in event ? this.operation(event.op)?.invoked : undefined;
    const found = invoked === undefined ? undefined : this.history[invoked];
    return found?.type === "invoke" ? found : null;
  }

  /** Who did it, or was told; the node, where it is of one; null where it is of nobody. */
  process(event: Event): string | null {
    if (event.type === "leader") return event.node;
    if ("process" in event) return event.process;
    if ("stream" in event) return this.#streams.get(event.stream) ?? null;
    const { session } = this.#own(event);
    return this.invocation(event)?.process ?? this.#sessions.get(session ?? "") ?? null;
  }

  session(event: Event): string | null {
    return this.#own(event).session ?? null;
  }

  #own(event: Event): { readonly session?: string } {
    if ("session" in event) return event;
    const call = this.invocation(event)?.call;
    return call !== undefined && "session" in call ? call : {};
  }

  #take(event: Event, at: number): void {
    switch (event.type) {
      case "invoke":
        this.#operations.set(event.op, { invoked: at, completed: null });
        if (event.call.kind === "open") this.#sessions.set(event.call.session, event.process);
        return;
      case "ok":
      case "fail":
      case "info": {
        const operation = this.#operations.get(event.op);
        if (operation !== undefined) operation.completed ??= at;
        return;
      }
      case "subscribe":
        this.#streams.set(event.stream, event.process);
        return;
      default:
        return;
    }
  }
}

/** What an event writes, or tells of as changed. */
export function changedKeys(event: Event): string[] {
  if (event.type === "invoke" && event.call.kind === "write") {
    return [...event.call.puts.map(({ key }) => key), ...event.call.removes];
  }
  if (event.type === "delta" || event.type === "revision") {
    return [...event.put.map(([key]) => key), ...event.remove];
  }
  return [];
}

export function shownKeys(event: Event): string[] {
  const view = "view" in event ? event.view : undefined;
  return (view ?? []).map(([key]) => key);
}
