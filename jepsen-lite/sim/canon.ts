import type { Change } from "../../src/registry/change.ts";
import type { Instance, InstanceKey, Selector } from "../../src/registry/instance.ts";
import { demand } from "./violation.ts";

const contents = new WeakMap<Instance, string>();

/** An instance without what changes hands silently: owner and revisions. */
export function content(instance: Instance): string {
  let text = contents.get(instance);
  if (text === undefined) {
    const { meta, weight, version, location, status, reason } = instance;
    text = JSON.stringify([meta, weight, version, location, status, reason]);
    contents.set(instance, text);
  }
  return text;
}

export function keyOf(key: InstanceKey): string {
  return `${key.namespace}/${key.application}/${key.protocol}/${key.addr}`;
}

/** Written afresh, so that it does not agree with the product by construction. */
export function isSelected(selector: Selector, instance: Instance): boolean {
  return (
    instance.namespace === selector.namespace &&
    instance.application === selector.application &&
    (selector.protocol === null || selector.protocol === instance.protocol) &&
    selector.meta.every(([key, value]) =>
      instance.meta.some((pair) => pair[0] === key && pair[1] === value),
    )
  );
}

/** Contents by key. */
export type View = Map<string, string>;
export type ReadonlyView = ReadonlyMap<string, string>;

/**
 * The one history that every replica must follow: the changes of each revision, as the first
 * replica to apply them told, and what they lead to.
 */
export class Canon {
  /** At position r - 1: the changes of revision r. */
  readonly #revisions: (readonly Change[])[] = [];
  readonly #texts: string[] = [];
  readonly #digests = new Map<number, string>();
  readonly #effects = new Map<string, number>();
  readonly #views = new Map<string, ReadonlyView[]>();

  get revision(): number {
    return this.#revisions.length;
  }

  /** State machine safety: what one replica applied as revision r, all do. */
  applied(node: string, changes: readonly Change[]): boolean {
    const revision = changes[0]?.revision ?? 0;
    const text = JSON.stringify(changes);
    if (revision <= this.#revisions.length) {
      demand(
        this.#texts[revision - 1] === text,
        () =>
          `${node} applied ${text} as revision ${revision}, others ${this.#texts[revision - 1]}`,
      );
      return false;
    }
    demand(
      revision === this.#revisions.length + 1,
      () => `${node} skipped to revision ${revision}`,
    );
    this.#revisions.push(changes);
    this.#texts.push(text);
    for (const { before, after } of changes) {
      if (after !== null && (before === null || content(before) !== content(after))) {
        const effect = `${keyOf(after)} ${content(after)}`;
        this.#effects.set(effect, (this.#effects.get(effect) ?? 0) + 1);
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

  /** How often exactly this content came to exist: at most once, since every value is unique. */
  effects(): ReadonlyMap<string, number> {
    return this.#effects;
  }

  /** What `selector` selects at `revision`; made once, and shared by revisions that agree. */
  viewAt(selector: Selector, revision: number): ReadonlyView {
    const key = JSON.stringify(selector);
    const views: ReadonlyView[] = this.#views.get(key) ?? [new Map<string, string>()];
    this.#views.set(key, views);
    for (let next = views.length; next <= revision; next += 1) {
      views.push(follow(must(views[next - 1]), selector, this.#revisions[next - 1] ?? []));
    }
    return must(views[revision]);
  }
}

function follow(view: ReadonlyView, selector: Selector, changes: readonly Change[]): ReadonlyView {
  const touching = changes.filter(
    ({ before, after }) =>
      (before !== null && isSelected(selector, before)) ||
      (after !== null && isSelected(selector, after)),
  );
  if (touching.length === 0) {
    return view;
  }
  const next = new Map(view);
  for (const { before, after } of touching) {
    if (before !== null) {
      next.delete(keyOf(before));
    }
    if (after !== null && isSelected(selector, after)) {
      next.set(keyOf(after), content(after));
    }
  }
  return next;
}

function must<T>(value: T | undefined): T {
  demand(value !== undefined, () => "the history has no such revision");
  return value;
}

export function sameView(a: ReadonlyView, b: ReadonlyView): boolean {
  return a.size === b.size && [...a].every(([key, text]) => b.get(key) === text);
}

export function viewOf(instances: readonly Instance[]): View {
  return new Map(instances.map((instance) => [keyOf(instance), content(instance)]));
}
