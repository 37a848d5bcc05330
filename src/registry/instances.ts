import type { Refusal } from "../errors.ts";
import { assert, must } from "../util/assert.ts";
import { type Application, Applications } from "./applications.ts";
import type { Change } from "./change.ts";
import type { Update } from "./command.ts";
import { type Digest, writeInstance } from "./digest.ts";
import type { Freezer } from "./freeze.ts";
import type { Instance, InstanceContent, InstanceKey, InstanceSpec, Location } from "./instance.ts";
import { compareKeys, inKeyOrder } from "./key-order.ts";
import { isSameMeta } from "./meta.ts";
import type { Session, Sessions } from "./sessions.ts";

/** The revision that a command's changes get, should there be any, and when. */
export interface Moment {
  readonly revision: number;
  readonly atMs: number;
}

/**
 * Who may write what. Two rules, design section 4:
 *
 * - Of two living sessions the newer one wins: it takes an identity over by registering it, and
 *   may update and deregister it; the older one is refused with TAKEN_OVER.
 * - An identity is persistent or owned. Changing the kind takes a deregister, else CONFLICT.
 *
 * An ended session defends nothing: to every write, what it still owns is gone already. So what
 * a command comes to does not depend on how far the removal in pieces has got.
 */
export class Instances {
  readonly applications: Applications;
  readonly #sessions: Sessions;
  readonly #digest: Digest;

  constructor(sessions: Sessions, digest: Digest, freezer: Freezer) {
    this.applications = new Applications(freezer);
    this.#sessions = sessions;
    this.#digest = digest;
  }

  /** From a snapshot, where its owner comes before it. Strings are shared as among new records. */
  restore(image: Instance): void {
    const { namespace, application: name, protocol, session, createdRevision, createdAtMs } = image;
    const application = this.applications.provide(namespace, name);
    assert(application.get(protocol, image.addr) === undefined, "a snapshot has each key once");
    const owner = session === null ? null : this.#owner(session);
    const at = { revision: image.modifiedRevision, atMs: image.modifiedAtMs };
    const origin = { createdRevision, createdAtMs };
    const instance = recordOf(application, image, image, owner?.id ?? null, origin, at);
    this.applications.put(application, instance);
    writeInstance(this.#digest, application.seed, instance).add();
    owner?.restoreOwned(instance);
  }

  get(key: InstanceKey): Instance | undefined {
    return this.applications.get(key.namespace, key.application)?.get(key.protocol, key.addr);
  }

  /** Refuses, or pushes one change for each instance that is not there as it is registered. */
  register(
    session: Session,
    instances: readonly InstanceSpec[],
    at: Moment,
    changes: Change[],
  ): Refusal | null {
    const sorted = inKeyOrder(instances);
    const applications: (Application | undefined)[] = [];
    for (let i = 0; i < sorted.length; i++) {
      const spec = must(sorted[i]);
      const application = this.applications.get(spec.namespace, spec.application);
      const before = application?.get(spec.protocol, spec.addr);
      const refusal =
        refuseDouble(sorted[i - 1], spec) ?? this.#refuseRegister(session, spec, before);
      if (refusal !== null) {
        return refusal;
      }
      applications.push(application);
    }
    for (let i = 0; i < sorted.length; i++) {
      const change = this.#put(session, must(sorted[i]), applications[i], at);
      if (change !== null) {
        changes.push(change);
      }
    }
    return null;
  }

  /** Keeps the owner: only registering moves an instance. */
  update(session: Session, command: Update, at: Moment, changes: Change[]): Refusal | null {
    const { key, set, ifRevision } = command;
    const application = this.applications.get(key.namespace, key.application);
    const before = application?.get(key.protocol, key.addr);
    if (application === undefined || before === undefined || !this.#isDefended(before)) {
      return refused("NOT_FOUND", key, "there is no such instance");
    }
    if (this.#isNewers(before, session)) {
      return takenOver(key);
    }
    if (ifRevision !== null && ifRevision !== before.modifiedRevision) {
      const found = `it is at revision ${before.modifiedRevision}, not ${ifRevision}`;
      return refused("CONFLICT", key, found, "ifRevision");
    }
    const content: InstanceContent = {
      meta: set.meta ?? before.meta,
      weight: set.weight ?? before.weight,
      version: set.version === undefined ? before.version : set.version,
      location: set.location === undefined ? before.location : set.location,
      status: set.status ?? before.status,
      reason: set.reason === undefined ? before.reason : set.reason,
    };
    if (!hasSameContent(before, content)) {
      const after = recordOf(application, before, content, before.session, before, at);
      changes.push(this.#replace(application, before, after, at.revision));
    }
    return null;
  }

  deregister(
    session: Session,
    keys: readonly InstanceKey[],
    at: Moment,
    changes: Change[],
  ): Refusal | null {
    for (const key of keys) {
      const found = this.get(key);
      if (found !== undefined && this.#isNewers(found, session)) {
        return takenOver(key);
      }
    }
    for (const key of inKeyOrder(keys)) {
      const found = this.get(key);
      if (found !== undefined) {
        changes.push(this.#remove(found, at.revision));
      }
    }
    return null;
  }

  /** Removes at most `max` of what an ended session owns. */
  removeOwned(session: Session, revision: number, max: number, changes: Change[]): void {
    let left = max;
    for (const instance of session.instances) {
      if (left === 0) {
        return;
      }
      changes.push(this.#remove(instance, revision));
      left -= 1;
    }
  }

  #refuseRegister(
    session: Session,
    spec: InstanceSpec,
    found: Instance | undefined,
  ): Refusal | null {
    if (found === undefined || (found.session !== session.id && !this.#isDefended(found))) {
      return null;
    }
    if (this.#isNewers(found, session)) {
      return takenOver(spec);
    }
    if (spec.isPersistent !== (found.session === null)) {
      const kind = spec.isPersistent ? "owned by a session" : "persistent";
      return refused("CONFLICT", spec, `it is ${kind}; deregister it first`, "persistent");
    }
    return null;
  }

  /** `known`: its application, where there was one before the command. */
  #put(
    session: Session,
    spec: InstanceSpec,
    known: Application | undefined,
    at: Moment,
  ): Change | null {
    const before = known?.get(spec.protocol, spec.addr) ?? null;
    const owner = spec.isPersistent ? null : session.id;
    const isSame = before !== null && hasSameContent(before, spec);
    if (isSame && before.session === owner) {
      return null;
    }
    const application = known ?? this.applications.provide(spec.namespace, spec.application);
    const content = isSame ? before : spec;
    const isSuccessor = before !== null && (before.session === owner || this.#isDefended(before));
    const origin = isSuccessor ? before : null;
    const after = recordOf(application, spec, content, owner, origin, at);
    return this.#replace(application, before, after, at.revision);
  }

  /** Persistent, or of a session that lives. */
  #isDefended(instance: Instance): boolean {
    return instance.session === null || this.#owner(instance.session).ending === null;
  }

  #isNewers(instance: Instance, session: Session): boolean {
    if (instance.session === null || instance.session === session.id) {
      return false;
    }
    const owner = this.#owner(instance.session);
    return owner.ending === null && owner.order > session.order;
  }

  #owner(id: string): Session {
    return must(this.#sessions.get(id), "an instance's owner is in the state");
  }

  #replace(
    application: Application,
    before: Instance | null,
    after: Instance,
    revision: number,
  ): Change {
    if (before !== null) {
      this.#disown(before, revision);
      writeInstance(this.#digest, application.seed, before).remove();
    }
    this.applications.put(application, after);
    writeInstance(this.#digest, application.seed, after).add();
    if (after.session !== null) {
      this.#owner(after.session).own(after, revision);
    }
    return { revision, before, after };
  }

  #remove(instance: Instance, revision: number): Change {
    const application = must(this.applications.get(instance.namespace, instance.application));
    this.#disown(instance, revision);
    writeInstance(this.#digest, application.seed, instance).remove();
    this.applications.remove(instance);
    return { revision, before: instance, after: null };
  }

  #disown(instance: Instance, revision: number): void {
    if (instance.session !== null) {
      this.#owner(instance.session).disown(instance, revision);
    }
  }
}

/** `origin`: the record whose identity lives on, null for an instance that begins. */
function recordOf(
  application: Application,
  key: InstanceKey,
  content: InstanceContent,
  session: string | null,
  origin: Pick<Instance, "createdRevision" | "createdAtMs"> | null,
  at: Moment,
): Instance {
  return {
    namespace: application.namespace,
    application: application.name,
    protocol: application.sharedName(key.protocol),
    addr: key.addr,
    meta: application.sharedMeta(content.meta),
    weight: content.weight,
    version: content.version,
    location: content.location,
    status: content.status,
    reason: content.reason,
    session,
    createdRevision: origin === null ? at.revision : origin.createdRevision,
    modifiedRevision: at.revision,
    createdAtMs: origin === null ? at.atMs : origin.createdAtMs,
    modifiedAtMs: at.atMs,
  };
}

/** Whether consumers see no difference; the owner is not part of it. */
export function hasSameContent(left: InstanceContent, right: InstanceContent): boolean {
  return (
    left.weight === right.weight &&
    left.status === right.status &&
    left.version === right.version &&
    left.reason === right.reason &&
    isSameLocation(left.location, right.location) &&
    isSameMeta(left.meta, right.meta)
  );
}

function isSameLocation(left: Location | null, right: Location | null): boolean {
  if (left === null || right === null) {
    return left === right;
  }
  return left.region === right.region && left.zone === right.zone && left.campus === right.campus;
}

function refuseDouble(previous: InstanceSpec | undefined, spec: InstanceSpec): Refusal | null {
  return previous !== undefined && compareKeys(previous, spec) === 0
    ? refused("INVALID", spec, "it is in the list more than once", "instances")
    : null;
}

function takenOver(key: InstanceKey): Refusal {
  return refused("TAKEN_OVER", key, "a newer session owns it");
}

function refused(
  code: Refusal["code"],
  { application, protocol, addr }: InstanceKey,
  why: string,
  field?: string,
): Refusal {
  const message = `${application} ${protocol} ${addr}: ${why}`;
  return field === undefined ? { code, message } : { code, message, field };
}
