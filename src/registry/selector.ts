import type { Instance, MetaPairs, Selector } from "./instance.ts";

/** The key and every given condition agree; a selector's meta asks for each of its pairs. */
export function matches(selector: Selector, instance: Instance): boolean {
  return (
    selector.application === instance.application &&
    selector.namespace === instance.namespace &&
    agrees(selector, instance)
  );
}

/** `matches` for an instance of the selector's own application. */
export function agrees(selector: Selector, instance: Instance): boolean {
  return (
    (selector.protocol === null || selector.protocol === instance.protocol) &&
    hasPairs(instance.meta, selector.meta)
  );
}

function hasPairs(meta: MetaPairs, wanted: MetaPairs): boolean {
  for (const pair of wanted) {
    if (!hasPair(meta, pair[0], pair[1])) {
      return false;
    }
  }
  return true;
}

function hasPair(meta: MetaPairs, key: string, value: string): boolean {
  for (const pair of meta) {
    if (pair[0] === key) {
      return pair[1] === value;
    }
  }
  return false;
}
