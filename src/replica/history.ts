import type { Change } from "../registry/change.ts";
import type { Instance, InstanceKey } from "../registry/instance.ts";
import { must } from "../util/assert.ts";
import { Queue } from "./queue.ts";

export interface HistoryLimits {
  readonly changesMax: number;
  readonly bytesMax: number;
}

export interface ApplicationName {
  readonly namespace: string;
  readonly application: string;
}

/** Something for each application. Two maps, since to join and hash two names costs more. */
export class ByApplication<T> {
  readonly #namespaces = new Map<string, Map<string, T>>();

  get({ namespace, application }: ApplicationName): T | undefined {
    return this.#namespaces.get(namespace)?.get(application);
  }

  set({ namespace, application }: ApplicationName, value: T): void {
    const applications = this.#namespaces.get(namespace);
    if (applications === undefined) {
      this.#namespaces.set(namespace, new Map([[application, value]]));
    } else {
      applications.set(application, value);
    }
  }

  delete({ namespace, application }: ApplicationName): void {
    const applications = this.#namespaces.get(namespace);
    applications?.delete(application);
    if (applications?.size === 0) {
      this.#namespaces.delete(namespace);
    }
  }
}

export function instanceKey(key: InstanceKey): string {
  return `${key.protocol}\u0000${key.addr}`;
}

export function subject(change: Change): Instance {
  return must(change.after ?? change.before, "a change names an instance");
}

/** What a change costs to keep, by rough count: the two records and their texts. */
export function changeBytes(change: Change): number {
  return (
    64 +
    (change.before === null ? 0 : instanceBytes(change.before)) +
    (change.after === null ? 0 : instanceBytes(change.after))
  );
}

export function instanceBytes(instance: Instance): number {
  let bytes = 160 + instance.addr.length + instance.application.length;
  for (const [key, value] of instance.meta) {
    bytes += key.length + value.length + 16;
  }
  return bytes;
}

/**
 * The latest changes, by application, so that a watch resumes by reading its own application's.
 * `floor`: every change of a revision above it is here.
 */
export class History {
  readonly #limits: HistoryLimits;
  #all = new Queue<Change>();
  #byApplication = new ByApplication<Queue<Change>>();
  /** What each of `#all` costs, counted once. */
  #costs = new Queue<number>();
  #bytes = 0;
  #floor: number;

  constructor(limits: HistoryLimits, revision: number) {
    this.#limits = limits;
    this.#floor = revision;
  }

  get floor(): number {
    return this.#floor;
  }

  /** The state has leapt to `revision`: of the changes on the way nothing is known. */
  restart(revision: number): void {
    this.#all = new Queue();
    this.#byApplication = new ByApplication();
    this.#costs = new Queue();
    this.#bytes = 0;
    this.#floor = revision;
  }

  add(change: Change): void {
    const bytes = changeBytes(change);
    this.#all.push(change);
    this.#costs.push(bytes);
    this.#bytes += bytes;
    const name = subject(change);
    let queue = this.#byApplication.get(name);
    if (queue === undefined) {
      queue = new Queue();
      this.#byApplication.set(name, queue);
    }
    queue.push(change);
    while (this.#all.length > this.#limits.changesMax || this.#bytes > this.#limits.bytesMax) {
      this.#evict();
    }
  }

  /** The changes of one application with a revision above `revision`; null where some are gone. */
  since(name: ApplicationName, revision: number): readonly Change[] | null {
    if (revision < this.#floor) {
      return null;
    }
    const queue = this.#byApplication.get(name);
    return queue === undefined ? [] : queue.from((change) => change.revision > revision);
  }

  #evict(): void {
    const change = this.#all.shift();
    this.#bytes -= this.#costs.shift();
    this.#floor = change.revision;
    const name = subject(change);
    const queue = must(this.#byApplication.get(name));
    queue.shift();
    if (queue.length === 0) {
      this.#byApplication.delete(name);
    }
  }
}
