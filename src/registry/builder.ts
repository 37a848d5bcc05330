import { assert, unreachable } from "../util/assert.ts";
import type { Totals } from "./digest.ts";
import { Registry } from "./registry.ts";
import type { RegistryItem } from "./snapshot.ts";
import { type RegistryLimits, RegistryState } from "./state.ts";

/**
 * Makes a registry of the items of a snapshot, in their order, in as many pieces as is convenient.
 * What it makes behaves like the one that was frozen in every command that follows.
 */
export class RegistryBuilder {
  readonly #limits: Partial<RegistryLimits>;
  readonly #state: RegistryState;
  #totals: Totals | null = null;

  constructor(limits: Partial<RegistryLimits> = {}) {
    this.#limits = limits;
    this.#state = new RegistryState(limits);
  }

  add(item: RegistryItem): void {
    const state = this.#state;
    switch (item.type) {
      case "totals":
        assert(this.#totals === null, "a snapshot begins with its totals");
        this.#totals = item.totals;
        state.revision = item.totals.revision;
        state.stateVersion = item.totals.stateVersion;
        state.clockMs = item.totals.clockMs;
        state.sessions.restoreOpened(item.totals.opened);
        state.tombstones.restoreEvicted(item.totals.evicted);
        break;
      case "tombstone":
        state.tombstones.restore(item.tombstone);
        break;
      case "session":
        state.sessions.restore(item.session);
        break;
      case "instance":
        state.instances.restore(item.instance);
        break;
      default:
        unreachable(item);
    }
  }

  /** `digest` is that of the state that was frozen; another one is a broken invariant. */
  finish(digest: string): Registry {
    assert(this.#totals !== null, "a snapshot has totals");
    const registry = new Registry(this.#limits, this.#state);
    const found = registry.digest();
    assert(
      found === digest,
      () => `the snapshot's digest is ${digest}, what it holds has ${found}`,
    );
    return registry;
  }
}
