import type { Content, Key, View } from "../history.ts";
import { acknowledged, hasFailed, outcome, type Recorded } from "./recorded.ts";
import type { Finding, Part } from "./verdict.ts";
import { nameOf } from "./windows.ts";

interface Effect {
  readonly revision: number;
  readonly at: number;
}

/**
 * Each numbered write has one answer, whatever copy of it is answered, and one effect at the most:
 * what it puts comes to be at one revision, that of its answer. A write that was refused has none.
 *
 * Effects are seen in deltas that are not collapsed, and where nodes tell of revisions, in those.
 * That an acknowledged write has at least one effect is seen by `checkSerializable`. O(events).
 */
export function checkExactlyOnce(recorded: Recorded): Part {
  const findings: Finding[] = [];
  const effects = effectsOf(recorded, findings);
  let looked = 0;
  for (const write of recorded.writes) {
    const first = outcome(write);
    const answer = acknowledged(write);
    looked += write.sent > 1 && first !== null ? 1 : 0;
    for (const { at, event } of write.answers) {
      const isSame = event.type === first?.event.type && event.revision === first.event.revision;
      if (!isSame && first !== null) {
        const what = `${nameOf(write)} was answered ${event.type} at revision ${event.revision}, before ${first.event.type} at ${first.event.revision}`;
        findings.push(finding("A repeated write gets its first answer", what, [first.at, at]));
      }
    }
    for (const { content } of write.call.puts) {
      const effect = effects.get(content);
      if (effect !== undefined && answer !== null && effect.revision !== answer.revision) {
        const what = `${nameOf(write)} was answered at revision ${answer.revision}, and came to be at ${effect.revision}`;
        findings.push(finding("Once", what, [answer.at, effect.at]));
      }
      if (effect !== undefined && hasFailed(write)) {
        const what = `${nameOf(write)} was refused, and came to be at revision ${effect.revision}`;
        findings.push(finding("Definite or indefinite", what, [first?.at ?? 0, effect.at]));
      }
    }
  }
  return { findings, looked };
}

/** The first of each content; a second one at another revision is a finding. */
function effectsOf(
  { history, origins }: Recorded,
  findings: Finding[],
): ReadonlyMap<Content, Effect> {
  const effects = new Map<Content, Effect>();
  const take = (put: View, effect: Effect): void => {
    for (const [key, content] of put) {
      const known = effects.get(content);
      if (known === undefined) {
        effects.set(content, effect);
      } else if (known.revision !== effect.revision) {
        findings.push(twice(key, content, known, effect));
      }
    }
  };
  const twice = (key: Key, content: Content, known: Effect, effect: Effect): Finding => {
    const write = origins.get(content)?.write;
    const who = write === undefined ? "nobody's write" : nameOf(write);
    const what = `${key}: ${who} came to be at revision ${known.revision} and at ${effect.revision}`;
    return finding("Once", what, [known.at, effect.at]);
  };
  history.forEach((event, at) => {
    if (event.type === "revision" || (event.type === "delta" && event.collapsed === null)) {
      take(event.put, { revision: event.revision, at });
    }
  });
  return effects;
}

function finding(promise: string, what: string, events: readonly number[]): Finding {
  return { checker: "exactly-once", promise, what, events };
}
