import type { Key } from "../history.ts";
import type { Prng } from "../prng.ts";
import { type DrawnKey, drawKeys, type KeySpace, UPDATED_PROTOCOL } from "../workload.ts";
import { type Endpoint, keyOf } from "./messages.ts";
import type { Outcome, Shown, Wish, Work } from "./work.ts";

const ADDRESSES = 6;
/** Per mille: of a key that all clients write, of a removal, of an update, of the end of a session. */
const SHARED_CHANCE = 200;
const REMOVAL_CHANCE = 200;
const UPDATE_CHANCE = 300;
const BYE_CHANCE = 8;
/** Of an update: that it compares, and then that it does so with a revision that is not the latest. */
const COMPARE_CHANCE = 800;
const STALE_CHANCE = 250;
const REVISIONS_KEPT = 3;
const KEYS_KEPT = 64;

interface Known {
  readonly key: DrawnKey;
  /** Of changes, the latest last. */
  readonly revisions: readonly number[];
}

/** Writes of all kinds, of a provider's own keys and of keys that all want. */
export class Drawing implements Work {
  readonly #prng: Prng;
  readonly #space: KeySpace;
  readonly #known = new Map<Key, Known>();
  #session = "";
  #values = 0;

  constructor(prng: Prng, client: string, applications: readonly string[]) {
    this.#prng = prng;
    this.#space = { client, applications, addresses: ADDRESSES, sharedChance: SHARED_CHANCE };
  }

  begun(session: string): void {
    this.#session = session;
    this.#values = 0;
  }

  next(): Wish {
    const prng = this.#prng;
    if (prng.chance(BYE_CHANCE)) return { type: "bye" };
    if (prng.chance(UPDATE_CHANCE) && this.#known.size > 0) return this.#update();
    const keys = drawKeys(prng, this.#space);
    if (prng.chance(REMOVAL_CHANCE)) return { type: "deregister", keys };
    return { type: "register", instances: keys.map((key) => this.#instance(key)) };
  }

  settled(wish: Wish, outcome: Outcome): void {
    if (outcome.type !== "ok" || outcome.revision === null) return;
    if (wish.type === "register") {
      for (const instance of wish.instances) this.#changed(instance, outcome.revision);
    }
    if (wish.type === "update") this.#changed(wish.instance, outcome.revision);
  }

  readonly looksAt = null;

  shown({ endpoints }: Shown): void {
    const endpoint = endpoints.length === 0 ? null : this.#prng.pick(endpoints);
    const isFree = endpoint?.protocol === UPDATED_PROTOCOL;
    if (isFree && endpoint.modifiedRevision !== undefined) {
      this.#changed(endpoint, endpoint.modifiedRevision);
    }
  }

  #update(): Wish {
    const prng = this.#prng;
    const { key, revisions } = prng.pick([...this.#known.values()]);
    const stale = prng.pick([0, ...revisions]);
    const compared = prng.chance(STALE_CHANCE) ? stale : (revisions.at(-1) ?? 0);
    const ifRevision = prng.chance(COMPARE_CHANCE) ? compared : null;
    return { type: "update", instance: this.#instance(key), ifRevision };
  }

  #changed({ namespace, application, protocol, addr }: Endpoint, revision: number): void {
    const key = { namespace, application, protocol, addr };
    const name = keyOf(key);
    const before = this.#known.get(name)?.revisions ?? [];
    const revisions = [...new Set([...before, revision])].sort((a, b) => a - b);
    this.#known.delete(name);
    this.#known.set(name, { key, revisions: revisions.slice(-REVISIONS_KEPT) });
    const [oldest] = this.#known.keys();
    if (this.#known.size > KEYS_KEPT && oldest !== undefined) this.#known.delete(oldest);
  }

  /** Each content is unlike all others, so that it tells who wrote it. */
  #instance({ namespace, application, protocol, addr }: DrawnKey): Endpoint {
    this.#values += 1;
    const tag = this.#prng.pick(["read", "write"]);
    const meta = { tag, value: `${this.#session}-${this.#values}` };
    const key = { namespace, application, protocol, addr };
    return { ...key, meta, weight: 100, status: "up" };
  }
}
