import type { InstanceKey } from "./instance.ts";

/** By namespace, application, protocol, addr, each by code units. */
export function compareKeys(left: InstanceKey, right: InstanceKey): number {
  return (
    compareText(left.namespace, right.namespace) ||
    compareText(left.application, right.application) ||
    compareWithin(left, right)
  );
}

/** `compareKeys` of two instances of one application. */
export function compareWithin(left: InstanceKey, right: InstanceKey): number {
  return compareText(left.protocol, right.protocol) || compareText(left.addr, right.addr);
}

export function compareText(left: string, right: string): number {
  if (left === right) {
    return 0;
  }
  return left < right ? -1 : 1;
}

/** The same list where there is nothing to sort. */
export function inKeyOrder<T extends InstanceKey>(items: readonly T[]): readonly T[] {
  return items.length < 2 ? items : [...items].sort(compareKeys);
}
