import type { EndReason } from "../registry/command.ts";
import { assert } from "../util/assert.ts";
import { integer } from "./instance-tuple.ts";

/** On disk for ever: a place is never given a second meaning. */
const REASONS: readonly EndReason[] = ["closed", "ttl", "grace", "killed"];

export function endReasonNumber(reason: EndReason): number {
  return REASONS.indexOf(reason);
}

export function readEndReason(value: unknown): EndReason {
  const reason = REASONS[integer(value)];
  assert(reason !== undefined, "an unknown reason");
  return reason;
}
