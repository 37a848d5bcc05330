import type { Selector } from "../history.ts";
import type { Prng } from "../prng.ts";
import { selectorOfApplication } from "./client.ts";
import type { Endpoint } from "./messages.ts";
import type { Outcome, Shown, Wish, Work } from "./work.ts";

const APPLICATION = "lock";
const LOCK = { namespace: "default", application: APPLICATION, protocol: "tcp", addr: "lock:1" };
/** Per mille: that it asks for a lock that it has seen to be held, as one that does not look first. */
const BARGE_CHANCE = 15;
/** How often a holder uses the resource before it lets go. */
const USES = [1, 60] as const;

/** What a lock protects. It takes no token that is lower than one before, and asks nobody. */
export class Resource {
  #highest = 0;

  accepts(token: number): boolean {
    if (token < this.#highest) return false;
    this.#highest = token;
    return true;
  }
}

export interface ContenderOptions {
  readonly prng: Prng;
  readonly resource: Resource;
  readonly onUse: (token: number, isAccepted: boolean) => void;
}

type State =
  | { readonly tag: "idle" }
  /** The register is on its way. */
  | { readonly tag: "asking" }
  /** It was put at `token`; whether that is still so is not known. */
  | { readonly tag: "put"; readonly token: number }
  | { readonly tag: "confirming"; readonly token: number }
  | { readonly tag: "holding"; readonly token: number; readonly usesLeft: number }
  | { readonly tag: "leaving" };

/**
 * One of several that want one lock: an instance of one key, which belongs to the session of its
 * holder. The protocol has no "create if absent" (an update of what is absent is NOT_FOUND). What it
 * has comes to the same where tokens are used: look; register where nothing is there, which may take
 * the lock from an older session that did so at the same time, and is refused with TAKEN_OVER for a
 * newer one; then confirm it by an update that compares with the revision of that registration, which
 * only succeeds where nobody has come between. That revision is the token.
 */
export class Contender implements Work {
  readonly looksAt: Selector = selectorOfApplication(APPLICATION);
  readonly #options: ContenderOptions;
  #state: State = { tag: "idle" };
  #session = "";
  #values = 0;
  #isFree = false;

  constructor(options: ContenderOptions) {
    this.#options = options;
  }

  begun(session: string): void {
    this.#session = session;
    this.#values = 0;
    this.#state = { tag: "idle" };
  }

  next(): Wish | null {
    const state = this.#state;
    switch (state.tag) {
      case "idle":
        if (!this.#isFree && !this.#options.prng.chance(BARGE_CHANCE)) return null;
        this.#isFree = false;
        this.#state = { tag: "asking" };
        return { type: "register", instances: [this.#instance()] };
      case "put":
        this.#state = { tag: "confirming", token: state.token };
        return { type: "update", instance: this.#instance(), ifRevision: state.token };
      case "holding":
        return this.#use(state);
      default:
        return null;
    }
  }

  settled(wish: Wish, outcome: Outcome): void {
    const { prng } = this.#options;
    const revision = outcome.type === "ok" ? outcome.revision : null;
    if (wish.type === "register") {
      this.#state = revision === null ? { tag: "idle" } : { tag: "put", token: revision };
    } else if (wish.type === "update" && this.#state.tag === "confirming") {
      const { token } = this.#state;
      const usesLeft = prng.between(...USES);
      this.#state = revision === null ? { tag: "idle" } : { tag: "holding", token, usesLeft };
    } else {
      this.#state = { tag: "idle" };
    }
  }

  shown({ mode, endpoints }: Shown): void {
    if (mode.type === "linearizable") this.#isFree = endpoints.length === 0;
  }

  /** It does not look whether it still holds the lock: nobody can, at the moment of use. */
  #use({ token, usesLeft }: State & { tag: "holding" }): Wish | null {
    const isAccepted = this.#options.resource.accepts(token);
    this.#options.onUse(token, isAccepted);
    if (!isAccepted) {
      this.#state = { tag: "idle" };
      return null;
    }
    if (usesLeft > 1) {
      this.#state = { tag: "holding", token, usesLeft: usesLeft - 1 };
      return null;
    }
    this.#state = { tag: "leaving" };
    return { type: "deregister", keys: [LOCK] };
  }

  #instance(): Endpoint {
    this.#values += 1;
    const meta = { value: `${this.#session}-${this.#values}` };
    return { ...LOCK, meta, weight: 100, status: "up" };
  }
}
