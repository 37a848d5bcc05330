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

/** Names hold no control characters, so the joint is unambiguous. */
export function applicationKey(name: ApplicationName): string {
  return `${name.namespace}\u0000${name.application}`;
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
  readonly #all = new Queue<Change>();
  readonly #byApplication = new Map<string, Queue<Change>>();
  #bytes = 0;
  #floor: number;

  constructor(limits: HistoryLimits, revision: number) {
    this.#limits = limits;
    this.#floor = revision;
  }

  get floor(): number {
    return this.#floor;
  }

  add(change: Change): void {
    this.#all.push(change);
    this.#bytes += changeBytes(change);
    const key = applicationKey(subject(change));
    let queue = this.#byApplication.get(key);
    if (queue === undefined) {
      queue = new Queue();
      this.#byApplication.set(key, queue);
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
    const queue = this.#byApplication.get(applicationKey(name));
    return queue === undefined ? [] : queue.from((change) => change.revision > revision);
  }

  #evict(): void {
    const change = this.#all.shift();
    this.#bytes -= changeBytes(change);
    this.#floor = change.revision;
    const key = applicationKey(subject(change));
    const queue = must(this.#byApplication.get(key));
    queue.shift();
    if (queue.length === 0) {
      this.#byApplication.delete(key);
    }
  }
}
