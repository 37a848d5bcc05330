import { PEER_LEAVING_MS } from "../../src/limits.ts";
import { memberAsOf, standingOf } from "../../src/replica/peer-standing.ts";
import type { World } from "./world.ts";

/**
 * Whom each node dials, and whose dials it takes, as `PeerLinks` has it: the members of the
 * configuration in force there, who left it a moment ago, and who reached it. It takes no dial of
 * whom it knows to be removed; where strangers are heard, it does all the same.
 */
export class SimPeers {
  readonly #world: World;
  readonly #known = new Map<string, Set<string>>();
  /** `at>peer`, by when it is let go. */
  readonly #leaving = new Map<string, number>();

  constructor(world: World) {
    this.#world = world;
  }

  of(at: string): readonly string[] {
    return [...(this.#known.get(at) ?? [])];
  }

  knows(at: string, peer: string): boolean {
    return this.#known.get(at)?.has(peer) === true;
  }

  /** Whether `at` takes a dial of `peer`. */
  admits(at: string, peer: string): boolean {
    return this.#world.options.hearsStrangers || !this.#isKnownRemoved(at, peer);
  }

  /** Both are up. What a directory that has joined knows of that, the judge of configurations says. */
  #isKnownRemoved(at: string, peer: string): boolean {
    const [known, own] = [this.#world.node(at).status(), this.#world.node(peer).status()];
    if (known === null || own === null) {
      return false;
    }
    const asOf = memberAsOf(own, peer, this.#world.configurations.joinedIndex(peer));
    return standingOf(known, peer, asOf) === "removed";
  }

  started(at: string): void {
    const members = this.#membersAt(at);
    this.#known.set(at, new Set(members));
    for (const name of [...this.#leaving.keys()]) {
      if (name.startsWith(`${at}>`)) {
        this.#leaving.delete(name);
      }
    }
  }

  reached(at: string, by: string): void {
    this.#known.get(at)?.add(by);
  }

  /** Another configuration is in force at `at`. `letGo` is called for each who was none for a while. */
  configured(at: string, letGo: (peer: string) => void): void {
    const known = this.#known.get(at) ?? new Set();
    const members = this.#membersAt(at);
    for (const id of members) {
      known.add(id);
      this.#leaving.delete(`${at}>${id}`);
    }
    if (this.#world.options.hearsStrangers) {
      return;
    }
    const { schedule } = this.#world;
    for (const peer of known) {
      const name = `${at}>${peer}`;
      if (!members.includes(peer) && !this.#leaving.has(name)) {
        const atMs = schedule.nowMs + PEER_LEAVING_MS;
        this.#leaving.set(name, atMs);
        schedule.after(PEER_LEAVING_MS, () => {
          if (this.#leaving.get(name) === atMs) {
            this.#leaving.delete(name);
            known.delete(peer);
            letGo(peer);
          }
        });
      }
    }
  }

  #membersAt(at: string): string[] {
    const members = this.#world.node(at).status()?.conf.members ?? [];
    return members.map(({ id }) => id).filter((id) => id !== at);
  }
}
