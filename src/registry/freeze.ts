import { assert } from "../util/assert.ts";
import type { Tombstone, Totals } from "./digest.ts";
import type { Instance } from "./instance.ts";
import type { RegistryItem, SessionImage } from "./snapshot.ts";

/** A session or the persistent instances of an application: what is kept whole before it changes. */
export interface Freezable<Image> {
  /** The number of the last freeze that has its image, or that it was born after. */
  frozen: number;
  /** As it is now; never written to afterwards. */
  image(): Image;
}

export interface OwnedImage {
  readonly session: SessionImage;
  readonly instances: readonly Instance[];
}

type Sessions = Iterable<Freezable<OwnedImage>>;
type Applications = Iterable<Freezable<readonly Instance[]>>;

/** What a view reads at once; it is bounded, or does not change. */
export interface FrozenHead {
  readonly totals: Totals;
  readonly tombstones: readonly Tombstone[];
  readonly digest: string;
}

/**
 * The state as it was when it was frozen, given out piece by piece while the state goes on
 * changing. To freeze copies nothing: a session (or an application's persistent instances) is
 * copied, as references, right before its first change, or when the reading has come to it.
 */
export class FrozenRegistry {
  readonly digest: string;
  readonly revision: number;
  readonly #head: FrozenHead;
  readonly #number: number;
  readonly #sessions: Sessions;
  readonly #applications: Applications;
  readonly #release: (view: FrozenRegistry) => void;
  /** Copied because they were about to change, and not given out yet. */
  #keptSessions: OwnedImage[] = [];
  #keptPersistent: (readonly Instance[])[] = [];

  constructor(
    number: number,
    head: FrozenHead,
    sessions: Sessions,
    applications: Applications,
    release: (view: FrozenRegistry) => void,
  ) {
    this.digest = head.digest;
    this.revision = head.totals.revision;
    this.#head = head;
    this.#number = number;
    this.#sessions = sessions;
    this.#applications = applications;
    this.#release = release;
  }

  /** Everything, once. The state may change between any two items. */
  *items(): Generator<RegistryItem, void, undefined> {
    yield { type: "totals", totals: this.#head.totals };
    for (const tombstone of this.#head.tombstones) {
      yield { type: "tombstone", tombstone };
    }
    for (const session of this.#sessions) {
      yield* this.#givenSessions();
      if (this.#isWanted(session)) {
        session.frozen = this.#number;
        yield* itemsOf(session.image());
      }
    }
    yield* this.#givenSessions();
    for (const application of this.#applications) {
      yield* this.#givenPersistent();
      if (this.#isWanted(application)) {
        application.frozen = this.#number;
        yield* instancesOf(application.image());
      }
    }
    yield* this.#givenPersistent();
  }

  /** The view is not read any more, and costs nothing from now on. */
  release(): void {
    this.#release(this);
  }

  keepSession(session: Freezable<OwnedImage>): void {
    if (this.#isWanted(session)) {
      session.frozen = this.#number;
      this.#keptSessions.push(session.image());
    }
  }

  keepPersistent(application: Freezable<readonly Instance[]>): void {
    if (this.#isWanted(application)) {
      application.frozen = this.#number;
      this.#keptPersistent.push(application.image());
    }
  }

  #isWanted(item: { readonly frozen: number }): boolean {
    return item.frozen < this.#number;
  }

  *#givenSessions(): Generator<RegistryItem, void, undefined> {
    for (let kept = this.#keptSessions.pop(); kept !== undefined; kept = this.#keptSessions.pop()) {
      yield* itemsOf(kept);
    }
  }

  *#givenPersistent(): Generator<RegistryItem, void, undefined> {
    for (
      let kept = this.#keptPersistent.pop();
      kept !== undefined;
      kept = this.#keptPersistent.pop()
    ) {
      yield* instancesOf(kept);
    }
  }
}

function* itemsOf({ session, instances }: OwnedImage): Generator<RegistryItem, void, undefined> {
  yield { type: "session", session };
  yield* instancesOf(instances);
}

function* instancesOf(instances: readonly Instance[]): Generator<RegistryItem, void, undefined> {
  for (const instance of instances) {
    yield { type: "instance", instance };
  }
}

/** Tells the view, while there is one, what is about to change. */
export class Freezer {
  #view: FrozenRegistry | null = null;
  #count = 0;

  /** Of the latest freeze; what is born now is not part of it. */
  get count(): number {
    return this.#count;
  }

  get isFrozen(): boolean {
    return this.#view !== null;
  }

  freeze(head: FrozenHead, sessions: Sessions, applications: Applications): FrozenRegistry {
    assert(this.#view === null, "the state is frozen once at a time");
    this.#count += 1;
    this.#view = new FrozenRegistry(this.#count, head, sessions, applications, (view) => {
      if (this.#view === view) {
        this.#view = null;
      }
    });
    return this.#view;
  }

  sessionChanges(session: Freezable<OwnedImage>): void {
    this.#view?.keepSession(session);
  }

  persistentChanges(application: Freezable<readonly Instance[]>): void {
    this.#view?.keepPersistent(application);
  }
}
