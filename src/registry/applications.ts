import { must } from "../util/assert.ts";
import { applicationSeed, type Seed } from "./digest.ts";
import type { Freezable, Freezer } from "./freeze.ts";
import type { Instance, MetaPairs } from "./instance.ts";
import { compareWithin } from "./key-order.ts";
import { LatestMetas } from "./meta.ts";

interface Protocol {
  /** The one string that all records of the protocol share. */
  readonly name: string;
  readonly byAddr: Map<string, Instance>;
}

/** Changes since a sorted view past which it is made anew rather than mended. */
const STALE_MIN = 32;
const STALE_FRACTION = 0.25;

/**
 * The instances of one application. Records are immutable and `put` and `remove` are the only two
 * places where the set of them changes, so a frozen view is an array of references taken before
 * the next of either; `sorted` hands out such arrays, which nothing ever writes to again.
 */
export class Application implements Freezable<readonly Instance[]> {
  readonly namespace: string;
  readonly name: string;
  /** What the digests of its records begin with. */
  readonly seed: Seed;
  frozen: number;
  readonly #freezer: Freezer;
  readonly #protocols = new Map<string, Protocol>();
  readonly #metas = new LatestMetas();
  #size = 0;
  #persistent = 0;
  #sorted: readonly Instance[] | null = null;
  /** Records put or removed since `#sorted` was made; empty while there is none. */
  #stale: Instance[] = [];

  constructor(namespace: string, name: string, freezer: Freezer) {
    this.#freezer = freezer;
    this.frozen = freezer.count;
    this.namespace = namespace;
    this.name = name;
    this.seed = applicationSeed(namespace, name);
  }

  get size(): number {
    return this.#size;
  }

  get(protocol: string, addr: string): Instance | undefined {
    return this.#protocols.get(protocol)?.byAddr.get(addr);
  }

  /** The protocol's own string where there is one already, so that a million records share it. */
  sharedName(protocol: string): string {
    return this.#protocols.get(protocol)?.name ?? protocol;
  }

  /** An equal one of its latest records where there is one: most instances differ by addr alone. */
  sharedMeta(meta: MetaPairs): MetaPairs {
    return this.#metas.shared(meta);
  }

  /** Its persistent instances; those of a session are in the session's image. */
  image(): readonly Instance[] {
    return this.#persistent === 0 ? [] : [...this].filter(({ session }) => session === null);
  }

  put(instance: Instance): void {
    const name = instance.protocol;
    let protocol = this.#protocols.get(name);
    if (protocol === undefined) {
      protocol = { name, byAddr: new Map() };
      this.#protocols.set(name, protocol);
    }
    const { byAddr } = protocol;
    this.#countPersistent(byAddr.get(instance.addr), instance);
    const sizeBefore = byAddr.size;
    byAddr.set(instance.addr, instance);
    this.#size += byAddr.size - sizeBefore;
    this.#changed(instance);
  }

  remove(instance: Instance): void {
    const { byAddr } = must(this.#protocols.get(instance.protocol));
    this.#countPersistent(byAddr.get(instance.addr), undefined);
    if (byAddr.delete(instance.addr)) {
      this.#size -= 1;
    }
    if (byAddr.size === 0) {
      this.#protocols.delete(instance.protocol);
    }
    this.#changed(instance);
  }

  /** By (protocol, addr), by code units. Never written to after it was handed out. */
  sorted(): readonly Instance[] {
    if (this.#sorted === null) {
      this.#sorted = [...this].sort(compareWithin);
    } else if (this.#stale.length > 0) {
      this.#sorted = this.#mended(this.#sorted, this.#stale.sort(compareWithin));
      this.#stale = [];
    }
    return this.#sorted;
  }

  /** In no order that means anything. */
  *[Symbol.iterator](): IterableIterator<Instance> {
    for (const { byAddr } of this.#protocols.values()) {
      yield* byAddr.values();
    }
  }

  #countPersistent(before: Instance | undefined, after: Instance | undefined): void {
    const wasPersistent = before?.session === null;
    const isPersistent = after?.session === null;
    if (wasPersistent || isPersistent) {
      this.#freezer.persistentChanges(this);
      this.#persistent += Number(isPersistent) - Number(wasPersistent);
    }
  }

  #changed(instance: Instance): void {
    if (this.#sorted === null) {
      return;
    }
    this.#stale.push(instance);
    if (this.#stale.length > STALE_MIN + this.#sorted.length * STALE_FRACTION) {
      this.#sorted = null;
      this.#stale = [];
    }
  }

  /** A copy of `sorted` with what is true now of each key of `stale`. */
  #mended(sorted: readonly Instance[], stale: readonly Instance[]): readonly Instance[] {
    const mended: Instance[] = [];
    let next = 0;
    let last: Instance | null = null;
    for (const key of stale) {
      if (last !== null && compareWithin(last, key) === 0) {
        continue;
      }
      last = key;
      const place = lowerBound(sorted, key, next);
      for (; next < place; next++) {
        mended.push(sorted[next] as Instance);
      }
      const replaced = sorted[next];
      if (replaced !== undefined && compareWithin(replaced, key) === 0) {
        next += 1;
      }
      const current = this.get(key.protocol, key.addr);
      if (current !== undefined) {
        mended.push(current);
      }
    }
    for (; next < sorted.length; next++) {
      mended.push(sorted[next] as Instance);
    }
    return mended;
  }
}

/** The first place from `from` on whose record is not before `key`. */
function lowerBound(sorted: readonly Instance[], key: Instance, from: number): number {
  let low = from;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (compareWithin(must(sorted[middle]), key) < 0) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

/** All applications, by namespace and name. An application is there while it has an instance. */
export class Applications {
  readonly #freezer: Freezer;
  readonly #namespaces = new Map<string, Map<string, Application>>();
  #instances = 0;

  constructor(freezer: Freezer) {
    this.#freezer = freezer;
  }

  get instanceCount(): number {
    return this.#instances;
  }

  /** Of all namespaces. */
  get count(): number {
    let count = 0;
    for (const applications of this.#namespaces.values()) {
      count += applications.size;
    }
    return count;
  }

  get(namespace: string, application: string): Application | undefined {
    return this.#namespaces.get(namespace)?.get(application);
  }

  /** The application to put an instance into: made, or made again, if need be. */
  provide(namespace: string, application: string): Application {
    const found = this.get(namespace, application);
    if (found !== undefined) {
      return found;
    }
    let applications = this.#namespaces.get(namespace);
    if (applications === undefined) {
      applications = new Map();
      this.#namespaces.set(namespace, applications);
    }
    const shared = first(applications.values())?.namespace ?? namespace;
    const made = new Application(shared, application, this.#freezer);
    applications.set(application, made);
    return made;
  }

  put(application: Application, instance: Instance): void {
    const sizeBefore = application.size;
    application.put(instance);
    this.#instances += application.size - sizeBefore;
  }

  remove(instance: Instance): void {
    const applications = must(this.#namespaces.get(instance.namespace));
    const application = must(applications.get(instance.application));
    const sizeBefore = application.size;
    application.remove(instance);
    this.#instances += application.size - sizeBefore;
    if (application.size === 0) {
      applications.delete(instance.application);
      if (applications.size === 0) {
        this.#namespaces.delete(instance.namespace);
      }
    }
  }

  /** Sorted by code units. */
  names(namespace: string): readonly string[] {
    return [...(this.#namespaces.get(namespace)?.keys() ?? [])].sort();
  }

  *[Symbol.iterator](): IterableIterator<Application> {
    for (const applications of this.#namespaces.values()) {
      yield* applications.values();
    }
  }
}

function first<T>(items: Iterable<T>): T | undefined {
  for (const item of items) {
    return item;
  }
  return undefined;
}
