import type { Content, Key, ReadCall, Selector, View } from "../history.ts";

/**
 * The messages of docs/protocol.md, written down once more: who judges a node does not speak to it
 * through the node's own code.
 */

export type Message = Readonly<Record<string, unknown>> & { readonly type: string };

/** Said by a node before the registry has seen the write; after any other it may have happened. */
const DEFINITE = new Set([
  ...["INVALID", "TOO_LARGE", "LIMIT", "OVERLOADED", "NO_LEADER", "DRAINING", "DISK_LOW"],
  "SEQUENCE_GAP",
]);
/** The session is no more, for this connection at least. */
const SESSION_OVER = new Set(["SESSION_EXPIRED", "SESSION_UNKNOWN"]);
/** The answer of the registry's state, which is kept and repeated. */
const DECIDED = new Set(["TAKEN_OVER", "CONFLICT", "NOT_FOUND"]);

export function isIndefinite(code: string): boolean {
  return !DEFINITE.has(code);
}

export function isSessionOver(code: string): boolean {
  return SESSION_OVER.has(code);
}

export function isDecided(code: string): boolean {
  return DECIDED.has(code);
}

/** An instance as a write puts it, and as a list shows it. */
export interface Endpoint {
  readonly namespace: string;
  readonly application: string;
  readonly protocol: string;
  readonly addr: string;
  readonly meta: Readonly<Record<string, string>>;
  readonly weight: number;
  readonly status: string;
  /** As a list shows it. */
  readonly modifiedRevision?: number;
}

export function keyOf({
  namespace,
  application,
  protocol,
  addr,
}: Pick<Endpoint, "namespace" | "application" | "protocol" | "addr">): Key {
  return `${namespace}/${application}/${protocol}/${addr}`;
}

export function contentOf({ meta, weight, status }: Endpoint): Content {
  return JSON.stringify([metaOf({ meta }), weight, status]);
}

const PAD_CHARACTERS = 4_000;
const PADDED = `${PAD_CHARACTERS} characters of it`;

/** What makes an instance large: it follows from the value of its own, so it can be written shortly. */
export function padOf(value: string): string {
  return value.repeat(Math.ceil(PAD_CHARACTERS / value.length)).slice(0, PAD_CHARACTERS);
}

/** By key, as selectors look at it. A pad that is as it should be is no more than named. */
export function metaOf({ meta }: Pick<Endpoint, "meta">): Selector["meta"] {
  return Object.entries(meta)
    .map(([key, text]): [string, string] => {
      const isPad = key === "pad" && text === padOf(meta["value"] ?? "-");
      return [key, isPad ? PADDED : text];
    })
    .sort(([one], [other]) => (one < other ? -1 : 1));
}

export function viewOf(endpoints: unknown): View {
  return (endpoints as readonly Endpoint[]).map((endpoint) => [
    keyOf(endpoint),
    contentOf(endpoint),
  ]);
}

/** As a request has it. */
export function selectorOf({ namespace, application, protocol, meta }: Selector): object {
  return {
    namespace,
    application,
    ...(protocol !== null && { protocol }),
    ...(meta.length > 0 && { meta: Object.fromEntries(meta) }),
  };
}

/** Null where it is no integer. */
export function integerOf(value: unknown): number | null {
  return typeof value === "number" && Number.isSafeInteger(value) ? value : null;
}

/** Of a reply that is an error. */
export function codeOf({ error }: Message): string {
  return String((error as { readonly code?: unknown } | undefined)?.code ?? "");
}

/** As a request has it, and as the client library is asked. */
export function readOf(
  mode: ReadCall["mode"],
): "linearizable" | { readonly atLeast: number } | { readonly staleMs: number | null } {
  switch (mode.type) {
    case "linearizable":
      return "linearizable";
    case "atLeast":
      return { atLeast: mode.revision };
    default:
      return { staleMs: mode.maxAgeMs };
  }
}
