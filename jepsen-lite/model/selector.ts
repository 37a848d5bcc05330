import type { Key, Selector } from "../history.ts";

/** Namespace, application and protocol agree; what is left to look at is the meta. */
export function covers({ namespace, application, protocol }: Selector, key: Key): boolean {
  const [ofNamespace, ofApplication, ofProtocol] = key.split("/");
  return (
    ofNamespace === namespace &&
    ofApplication === application &&
    (protocol === null || protocol === ofProtocol)
  );
}

/** Of an instance whose key is covered. */
export function selects({ meta }: Selector, ofInstance: Selector["meta"]): boolean {
  return meta.every(([key, value]) =>
    ofInstance.some(([ofKey, ofValue]) => ofKey === key && ofValue === value),
  );
}
