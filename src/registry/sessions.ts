import { assert } from "../util/assert.ts";
import type { EndReason, OpenSession, Reply } from "./command.ts";
import {
  type Digest,
  type Seed,
  type SessionRecord,
  sessionSeed,
  writeOwned,
  writeSession,
} from "./digest.ts";
import type { Freezable, Freezer, OwnedImage } from "./freeze.ts";
import type { Instance } from "./instance.ts";
import { compareText } from "./key-order.ts";
import { Replies } from "./replies.ts";
import type { SessionImage } from "./snapshot.ts";

/** A session as the rest of the house sees it. It changes with the state: read it, do not keep it. */
export interface SessionView extends SessionRecord {
  /** The number of the last command applied; 0 after the opening. */
  readonly lastSeq: number;
  /** The lowest number that its client still waits for, as far as applied commands say. */
  readonly floor: number;
  /** Instances that it owns. */
  readonly owned: number;
  /** The revision of the last change to what it owned: put, changed, removed or taken over. */
  readonly ownedRevision: number;
  /** Why it has ended, while instances of it wait to be removed; null while it lives. */
  readonly ending: EndReason | null;
  /** The kept reply of a number, that of the opening being 0; null where none is kept. */
  reply(seq: number): Reply | null;
}

export class Session implements SessionView, Freezable<OwnedImage> {
  readonly id: string;
  readonly secretHash: string;
  readonly ttlMs: number;
  readonly graceMs: number;
  readonly client: string;
  /** The place of its opening among all openings of the log: the greater, the newer. */
  readonly order: number;
  readonly openedRevision: number;
  readonly openedAtMs: number;
  readonly seed: Seed;
  readonly replies: Replies;
  /**
   * By (modifiedRevision, key): a record that is changed leaves and enters again, and a command
   * goes through its instances in key order. So the order follows from the records alone, and a
   * node that was given them in a snapshot removes the same ones in the same piece.
   */
  readonly #instances = new Set<Instance>();
  frozen: number;
  readonly #digest: Digest;
  readonly #freezer: Freezer;
  #ownedRevision = 0;
  #ending: EndReason | null = null;

  constructor(record: SessionRecord, digest: Digest, freezer: Freezer, unansweredMax: number) {
    this.id = record.id;
    this.secretHash = record.secretHash;
    this.ttlMs = record.ttlMs;
    this.graceMs = record.graceMs;
    this.client = record.client;
    this.order = record.order;
    this.openedRevision = record.openedRevision;
    this.openedAtMs = record.openedAtMs;
    this.seed = sessionSeed(record);
    this.#digest = digest;
    this.#freezer = freezer;
    this.frozen = freezer.count;
    this.replies = new Replies(this.seed, digest, unansweredMax);
    writeSession(digest, this.seed, null).add();
    writeOwned(digest, this.seed, 0).add();
  }

  get lastSeq(): number {
    return this.replies.lastSeq;
  }

  get floor(): number {
    return this.replies.floor;
  }

  get owned(): number {
    return this.#instances.size;
  }

  get instances(): ReadonlySet<Instance> {
    return this.#instances;
  }

  get ownedRevision(): number {
    return this.#ownedRevision;
  }

  get ending(): EndReason | null {
    return this.#ending;
  }

  reply(seq: number): Reply | null {
    return seq === 0 ? this.openedReply() : this.replies.reply(seq);
  }

  openedReply(): Reply {
    return { ok: true, revision: this.openedRevision };
  }

  image(): OwnedImage {
    const { id, secretHash, ttlMs, graceMs, client, order, openedRevision, openedAtMs } = this;
    const { ownedRevision, ending, lastSeq, floor } = this;
    const record = { id, secretHash, ttlMs, graceMs, client, order, openedRevision, openedAtMs };
    const replies = this.replies.image();
    return {
      session: { ...record, ownedRevision, ending, lastSeq, floor, replies },
      instances: [...this.#instances],
    };
  }

  /** Of a session that was just made. Its instances follow, by `restoreOwned`. */
  restore(image: SessionImage): void {
    this.replies.restore(image);
    this.#touched(image.ownedRevision);
    if (image.ending !== null) {
      this.#end(image.ending);
    }
  }

  restoreOwned(instance: Instance): void {
    this.#instances.add(instance);
  }

  own(instance: Instance, revision: number): void {
    this.#freezer.sessionChanges(this);
    this.#instances.add(instance);
    this.#touched(revision);
  }

  disown(instance: Instance, revision: number): void {
    this.#freezer.sessionChanges(this);
    this.#instances.delete(instance);
    this.#touched(revision);
  }

  applied(seq: number, floor: number, reply: Reply): void {
    this.#freezer.sessionChanges(this);
    this.replies.applied(seq, floor, reply);
  }

  /** Its numbers are those of another lineage. */
  renumber(): void {
    this.#freezer.sessionChanges(this);
    this.replies.restart();
  }

  #touched(revision: number): void {
    if (this.#ownedRevision !== revision) {
      writeOwned(this.#digest, this.seed, this.#ownedRevision).remove();
      this.#ownedRevision = revision;
      writeOwned(this.#digest, this.seed, revision).add();
    }
  }

  end(reason: EndReason): void {
    this.#freezer.sessionChanges(this);
    this.#end(reason);
  }

  #end(reason: EndReason): void {
    assert(this.#ending === null, "a session ends once");
    writeSession(this.#digest, this.seed, null).remove();
    this.#ending = reason;
    writeSession(this.#digest, this.seed, reason).add();
  }

  /** It leaves the state. */
  drop(): void {
    assert(this.#ending !== null && this.owned === 0, "an ended session owns nothing");
    this.#freezer.sessionChanges(this);
    writeSession(this.#digest, this.seed, this.#ending).remove();
    writeOwned(this.#digest, this.seed, this.#ownedRevision).remove();
    this.replies.drop();
  }
}

/** The sessions that live, and those that have ended but still own instances. */
export class Sessions {
  readonly #digest: Digest;
  readonly #freezer: Freezer;
  readonly #unansweredMax: number;
  readonly #byId = new Map<string, Session>();
  readonly #ending = new Set<string>();
  #opened = 0;
  #sorted: readonly Session[] | null = null;

  constructor(unansweredMax: number, digest: Digest, freezer: Freezer) {
    this.#unansweredMax = unansweredMax;
    this.#digest = digest;
    this.#freezer = freezer;
  }

  get size(): number {
    return this.#byId.size;
  }

  /** Sessions ever opened. */
  get opened(): number {
    return this.#opened;
  }

  /** In the order in which they ended. */
  get ending(): readonly string[] {
    return [...this.#ending];
  }

  get(id: string): Session | undefined {
    return this.#byId.get(id);
  }

  /** By id. A new array whenever sessions come or go: the one in hand stays as it is. */
  sorted(): readonly Session[] {
    this.#sorted ??= [...this.#byId.values()].sort((a, b) => compareText(a.id, b.id));
    return this.#sorted;
  }

  open(command: OpenSession, revision: number, atMs: number): Session {
    this.#opened += 1;
    const record: SessionRecord = {
      id: command.session,
      secretHash: command.secretHash,
      ttlMs: command.ttlMs,
      graceMs: command.graceMs,
      client: command.client,
      order: this.#opened,
      openedRevision: revision,
      openedAtMs: atMs,
    };
    return this.#add(record);
  }

  restoreOpened(opened: number): void {
    this.#opened = opened;
  }

  restore(image: SessionImage): void {
    const { id, ending } = image;
    assert(!this.#byId.has(id), () => `session ${id} is in the snapshot twice`);
    this.#add(image).restore(image);
    if (ending !== null) {
      this.#ending.add(id);
    }
  }

  [Symbol.iterator](): IterableIterator<Session> {
    return this.#byId.values();
  }

  #add(record: SessionRecord): Session {
    const session = new Session(record, this.#digest, this.#freezer, this.#unansweredMax);
    this.#byId.set(session.id, session);
    this.#sorted = null;
    return session;
  }

  end(session: Session, reason: EndReason): void {
    session.end(reason);
    this.#ending.add(session.id);
  }

  drop(session: Session): void {
    session.drop();
    this.#byId.delete(session.id);
    this.#ending.delete(session.id);
    this.#sorted = null;
  }
}
