import type { Change } from "../../src/registry/change.ts";
import type {
  Instance,
  InstanceContent,
  InstanceKey,
  Selector,
} from "../../src/registry/instance.ts";
import { covers, selects } from "../model/selector.ts";
import { demand } from "./violation.ts";

/** What changes hands silently is no part of it: owner and revisions. */
export function contentOf(instance: InstanceContent): string {
  const { meta, weight, version, location, status, reason } = instance;
  return JSON.stringify([meta, weight, version, location, status, reason]);
}

export function keyOf(key: InstanceKey): string {
  return `${key.namespace}/${key.application}/${key.protocol}/${key.addr}`;
}

/** Contents by key. */
export type View = Map<string, string>;

/**
 * The one history that every replica must follow: the changes of each revision, as the first
 * replica to apply them told.
 */
export class Canon {
  /** At position r - 1: the changes of revision r. */
  readonly #texts: string[] = [];
  readonly #digests = new Map<number, string>();
  readonly #instances = new Map<string, Instance>();

  get revision(): number {
    return this.#texts.length;
  }

  /** State machine safety: what one replica applied as revision r, all do. True for the first. */
  applied(node: string, changes: readonly Change[]): boolean {
    const revision = changes[0]?.revision ?? 0;
    const text = JSON.stringify(changes);
    if (revision <= this.#texts.length) {
      demand(
        this.#texts[revision - 1] === text,
        () =>
          `${node} applied ${text} as revision ${revision}, others ${this.#texts[revision - 1]}`,
      );
      return false;
    }
    demand(revision === this.#texts.length + 1, () => `${node} skipped to revision ${revision}`);
    this.#texts.push(text);
    for (const { before, after } of changes) {
      if (before !== null) {
        this.#instances.delete(keyOf(before));
      }
      if (after !== null) {
        this.#instances.set(keyOf(after), after);
      }
    }
    return true;
  }

  /** Replica equality: one digest at one log index. */
  digest(node: string, index: number, digest: string): void {
    const known = this.#digests.get(index);
    demand(
      known === undefined || known === digest,
      () => `${node} has digest ${digest} at index ${index}, others ${known}`,
    );
    this.#digests.set(index, digest);
  }

  /** What `selector` selects now. */
  view(selector: Selector): View {
    const view: View = new Map();
    for (const [key, instance] of this.#instances) {
      if (covers(selector, key) && selects(selector, instance.meta)) {
        view.set(key, entryOf(instance)[1]);
      }
    }
    return view;
  }
}

export function sameView(a: View, b: View): boolean {
  return a.size === b.size && [...a].every(([key, text]) => b.get(key) === text);
}

type Entry = readonly [key: string, content: string];

const entries = new WeakMap<Instance, Entry>();

/** As a history has it. Records are immutable, so it is made once for each. */
function entryOf(instance: Instance): Entry {
  let entry = entries.get(instance);
  if (entry === undefined) {
    entry = [keyOf(instance), contentOf(instance)];
    entries.set(instance, entry);
  }
  return entry;
}

export function viewOf(instances: readonly Instance[]): Entry[] {
  return instances.map(entryOf);
}
