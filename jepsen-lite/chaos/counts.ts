import { lockUse } from "../checker/fencing.ts";
import { recorded } from "../checker/recorded.ts";
import type { Call, Event, History } from "../history.ts";

/** What there was of each kind, by name: a run in which a kind did not happen shows nothing of it. */
export type Counts = Readonly<Record<string, number>>;

/** By the first letter of their names (`Population`). */
const WHO: Readonly<Record<string, string>> = {
  ...{ c: "providers", o: "once", l: "contenders", b: "bulk", w: "watchers", s: "slow watchers" },
  ...{ p: "library providers", q: "library consumers", h: "pages", m: "herd" },
};

/** What a history says of itself, with what its clients have counted beside it. */
export function countsOf(history: History, told: Counts): Counts {
  const counts: Record<string, number> = { ...told };
  const count = (name: string, by = 1): void => {
    counts[name] = (counts[name] ?? 0) + by;
  };
  const kinds = new Map<number, string>();
  const isAnswered = new Set<number>();
  for (const event of history) {
    if (event.type === "invoke") {
      kinds.set(event.op, kindOf(event.call));
      count(`${kindOf(event.call)} asked`);
      count(`asked by ${WHO[event.process.slice(0, 1)] ?? "others"}`);
    } else if ((event.type === "ok" || event.type === "fail") && !isAnswered.has(event.op)) {
      isAnswered.add(event.op);
      const kind = kinds.get(event.op) ?? "";
      count(event.type === "ok" ? `${kind} ok` : `${kind} ${event.code}`);
    } else if (event.type === "info") {
      count(`${kinds.get(event.op)} unknown (${event.code})`);
    } else {
      const name = nameOf(event);
      if (name !== null) count(name);
    }
  }
  for (const [name, by] of Object.entries(lockUse(recorded(history)))) count(`lock ${name}`, by);
  return Object.fromEntries(
    Object.entries(counts).sort(([one], [other]) => (one < other ? -1 : 1)),
  );
}

function kindOf(call: Call): string {
  if (call.kind === "read") return `read ${call.mode.type}`;
  if (call.kind !== "write") return call.kind;
  const owned = call.isLasting === true ? "lasting " : "";
  if (call.isBye === true) return "bye";
  if (call.update !== undefined) {
    return `${owned}${call.update.ifRevision === null ? "update" : "compare"}`;
  }
  return `${owned}${call.puts.length > 0 ? "register" : "deregister"}`;
}

function nameOf(event: Event): string | null {
  switch (event.type) {
    case "again":
      return "writes sent again";
    case "toldEnd":
      return `ends told (${event.reason})`;
    case "delta":
      return event.collapsed === null ? "watch deltas" : "watch deltas collapsed";
    case "snapshot":
      return event.isReset ? "watch resets" : "watch snapshots";
    default:
      return null;
  }
}
