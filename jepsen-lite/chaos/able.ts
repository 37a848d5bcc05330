import type { Capabilities } from "../faults/capabilities.ts";
import type { Nemesis } from "../nemeses/nemesis.ts";

/** Which nemeses can be at work here. */
export interface Ables {
  readonly able: readonly Nemesis[];
  /** By name: what it is skipped for. */
  readonly skipped: ReadonlyMap<string, string>;
}

export function ableWith(nemeses: readonly Nemesis[], capabilities: Capabilities): Ables {
  const able: Nemesis[] = [];
  const skipped = new Map<string, string>();
  for (const nemesis of nemeses) {
    const reason = (nemesis.needs ?? []).map((name) => capabilities.get(name)).find(isReason);
    if (reason === undefined) able.push(nemesis);
    else skipped.set(nemesis.name, reason);
  }
  return { able, skipped };
}

function isReason(found: string | null | undefined): found is string {
  return typeof found === "string";
}
