import type { Recorded } from "./recorded.ts";
import type { Finding, Part } from "./verdict.ts";

/**
 * Never backwards: no answer to a read, and no snapshot that a watch begins with, names a revision
 * below one that its process had seen when it asked, be it in an answer to a write, in a read or in
 * a watch. So a process also reads its own writes. O(events).
 */
export function checkMonotone(recorded: Recorded): Part {
  const findings: Finding[] = [];
  let looked = 0;
  const seen = new Map<string, { readonly revision: number; readonly at: number }>();
  /** By operation; streams by their negative. */
  const asked = new Map<number, { readonly revision: number; readonly at: number }>();
  const processes = new Map<number, string>();
  const see = (process: string, revision: number, at: number): void => {
    if (revision > (seen.get(process)?.revision ?? 0)) {
      seen.set(process, { revision, at });
    }
  };
  const look = (process: string, question: number, revision: number, at: number): void => {
    const before = asked.get(question);
    asked.delete(question);
    if (before !== undefined && before.revision > 0) {
      looked += 1;
      if (revision < before.revision) {
        const what = `${process} was shown revision ${revision}, and had seen ${before.revision} when it asked`;
        const events = [before.at, at];
        findings.push({ checker: "monotone", promise: "Never backwards", what, events });
      }
    }
    see(process, revision, at);
  };
  const ask = (process: string, question: number): void => {
    asked.set(question, seen.get(process) ?? { revision: 0, at: 0 });
  };
  recorded.history.forEach((event, at) => {
    const { type } = event;
    if (type === "invoke") {
      processes.set(event.op, event.process);
      if (event.call.kind === "read") {
        ask(event.process, event.op);
      }
    } else if (type === "ok" || type === "fail") {
      look(processes.get(event.op) ?? "", event.op, event.revision ?? 0, at);
    } else if (type === "subscribe") {
      processes.set(-event.stream, event.process);
      ask(event.process, -event.stream);
    } else if (type === "snapshot") {
      look(processes.get(-event.stream) ?? "", -event.stream, event.revision, at);
    } else if (type === "mark") {
      see(processes.get(-event.stream) ?? "", event.revision, at);
    } else if (type === "delta") {
      // A stream that goes on passes what its process has seen elsewhere on its way.
      asked.delete(-event.stream);
      // Frames before the last of a row are no state that anybody has seen.
      if (event.collapsed === null || event.collapsed.isLast) {
        see(processes.get(-event.stream) ?? "", event.revision, at);
      }
    }
  });
  return { findings, looked };
}
