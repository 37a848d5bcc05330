import type { Call, Event, Selector, View } from "../history.ts";
import { kindOf } from "./operations.ts";

const LISTED_MAX = 4;
const CONTENT_MAX = 40;

/** An event of a history in a sentence. Of a view that holds one of `keys`, only those are shown. */
export function wordsOf(event: Event, keys: ReadonlySet<string> = new Set()): string {
  switch (event.type) {
    case "setup":
      return "the history begins";
    case "invoke":
      return callOf(event.call);
    case "again":
      return "sent once more";
    case "ok":
      return okOf(event, keys);
    case "fail":
      return `refused: ${event.code}`;
    case "info":
      return `given up, nobody knows: ${event.code}`;
    case "closed":
      return `closes connection ${event.attach} of session ${shortOf(event.session)}`;
    case "abandoned":
      return `session ${shortOf(event.session)} is given up for good`;
    case "toldEnd":
      return `told that session ${shortOf(event.session)} is over: ${event.reason}, at revision ${event.revision}`;
    case "ended":
      return `session ${shortOf(event.session)} ends: ${event.reason}, at revision ${event.revision}`;
    case "subscribe": {
      const from = event.from === null ? "the beginning" : `revision ${event.from.revision}`;
      return `watches ${selectorOf(event.selector)} from ${from} (stream ${event.stream}, ${event.mode})`;
    }
    case "snapshot":
      return `snapshot at revision ${event.revision}${event.isReset ? ", a reset" : ""}: ${viewOf(event.view, keys)}`;
    case "delta":
      return `delta to revision ${event.revision}: ${changesOf(event.put, event.remove)}`;
    case "mark":
      return `has all up to revision ${event.revision}`;
    case "revision":
      return `revision ${event.revision}: ${changesOf(event.put, event.remove)}`;
    case "fenced":
      return `uses the resource with token ${event.token}: ${event.isAccepted ? "taken" : "refused"}`;
    case "leader":
      return `${event.node} leads`;
    case "calm":
      return "from here on nothing is disturbed";
  }
}

function callOf(call: Call): string {
  switch (call.kind) {
    case "open":
      return `opens session ${shortOf(call.session)}, TTL ${call.ttlMs} ms, grace ${call.graceMs} ms`;
    case "touch":
      return `a sign of life of session ${shortOf(call.session)} on connection ${call.attach}`;
    case "read":
      return `${kindOf(call)} of ${selectorOf(call.selector)}${boundOf(call.mode)}`;
    case "write": {
      const puts = call.puts.map(({ key, content }) => [key, content] as const);
      return `write ${call.seq} of session ${shortOf(call.session)}: ${changesOf(puts, call.removes)}`;
    }
  }
}

function boundOf(mode: (Call & { kind: "read" })["mode"]): string {
  if (mode.type === "atLeast") return `, revision ${mode.revision} or later`;
  return mode.type === "stale" && mode.maxAgeMs !== null ? `, at most ${mode.maxAgeMs} ms old` : "";
}

function okOf(
  { revision, view, ageMs }: Event & { type: "ok" },
  keys: ReadonlySet<string>,
): string {
  const where = revision === null ? "" : ` at revision ${revision}`;
  const age = ageMs === undefined || ageMs === null ? "" : `, ${ageMs} ms old`;
  return `ok${where}${age}${view === undefined ? "" : `: ${viewOf(view, keys)}`}`;
}

function changesOf(put: View, remove: readonly string[]): string {
  const puts = put.length > 0 ? `puts ${viewOf(put)}` : "";
  const removes = remove.length > 0 ? `removes ${listed(remove)}` : "";
  return [puts, removes].filter((part) => part !== "").join(", ") || "nothing";
}

function viewOf(view: View, keys: ReadonlySet<string> = new Set()): string {
  if (view.length === 0) return "nothing";
  const meant = view.filter(([key]) => keys.has(key));
  if (meant.length > 0 && meant.length < view.length) {
    return `${viewOf(meant)} among ${view.length}`;
  }
  return listed(view.map(([key, content]) => `${key} = ${contentOf(content)}`));
}

/** The clients of this harness tell what they write apart by a value in it. */
function contentOf(content: string): string {
  const [, value = content] = /\["value","([^"]+)"\]/.exec(content) ?? [];
  const short = value.replace(/\b([0-9a-f]{8})[0-9a-f]{24}\b/, "$1");
  return short.length > CONTENT_MAX ? `${short.slice(0, CONTENT_MAX)}…` : short;
}

function listed(parts: readonly string[]): string {
  const more = parts.length - LISTED_MAX;
  const shown = parts.slice(0, LISTED_MAX).join(", ");
  return more > 0 ? `${shown} and ${more} more` : shown;
}

function selectorOf({ namespace, application, protocol, meta }: Selector): string {
  const tags = meta.map(([key, value]) => `${key}=${value}`).join(", ");
  return `${namespace}/${application}/${protocol ?? "*"}${tags === "" ? "" : ` [${tags}]`}`;
}

function shortOf(session: string): string {
  return session.slice(0, 8);
}
