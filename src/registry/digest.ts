import type { EndReason, Reply } from "./command.ts";
import type { Instance } from "./instance.ts";

/** The two lanes of a record whose first fields have been taken in: to go on from. */
export interface Seed {
  readonly a: number;
  readonly b: number;
}

/** The first word of each kind of record, so that no two kinds can stand for each other. */
const KIND = {
  instance: 1,
  session: 2,
  window: 3,
  owned: 4,
  reply: 5,
  tombstone: 6,
  totals: 7,
} as const;

const REASONS: Readonly<Record<EndReason, number>> = { closed: 1, ttl: 2, grace: 3, killed: 4 };

/**
 * A 64-bit digest of a set of records, free of their order: each record is hashed over its fields
 * and added to (or taken from) a sum, so one change costs one record, whatever the size of the
 * state. Two lanes of 32 bits with constants of their own; BigInt would take twice as long.
 *
 * No two records are written alike: a text is its length and its code units, an absent one a
 * length of -1, an integer always two words, a list its length and its items. Replies go in by
 * revision and code: their wording is for people, and differs between builds of one state version.
 */
export class Digest {
  #sumA = 0;
  #sumB = 0;
  #a = 0;
  #b = 0;

  begin(seed: Seed): this {
    this.#a = seed.a;
    this.#b = seed.b;
    return this;
  }

  /** The record so far. */
  seed(): Seed {
    return { a: this.#a, b: this.#b };
  }

  text(value: string | null | undefined): this {
    if (value === null || value === undefined) {
      return this.word(-1);
    }
    const { length } = value;
    this.word(length);
    let a = this.#a;
    let b = this.#b;
    for (let i = 0; i < length; i += 2) {
      const second = i + 1 < length ? value.charCodeAt(i + 1) : 0;
      const word = value.charCodeAt(i) | (second << 16);
      a = Math.imul(a ^ word, 0x9e3779b1);
      a ^= a >>> 15;
      b = Math.imul(b + word, 0x85ebca77);
      b = (b << 13) | (b >>> 19);
    }
    this.#a = a;
    this.#b = b;
    return this;
  }

  /** A safe integer. */
  integer(value: number): this {
    return this.word(value | 0).word(Math.floor(value / 0x1_0000_0000) | 0);
  }

  /** An integer of 32 bits. Each step is a bijection of the state and of the word. */
  word(word: number): this {
    const a = Math.imul(this.#a ^ word, 0x9e3779b1);
    this.#a = a ^ (a >>> 15);
    const b = Math.imul(this.#b + word, 0x85ebca77);
    this.#b = (b << 13) | (b >>> 19);
    return this;
  }

  add(): void {
    this.#finish();
    this.#sumA = (this.#sumA + this.#a) | 0;
    this.#sumB = (this.#sumB + this.#b) | 0;
  }

  remove(): void {
    this.#finish();
    this.#sumA = (this.#sumA - this.#a) | 0;
    this.#sumB = (this.#sumB - this.#b) | 0;
  }

  /** 16 hex digits: the sum with the record under way, which stays out of it. */
  withRecord(): string {
    this.#finish();
    return hex32((this.#sumA + this.#a) | 0) + hex32((this.#sumB + this.#b) | 0);
  }

  #finish(): void {
    const a = avalanche(this.#a ^ Math.imul(this.#b, 0x27d4eb2f));
    this.#b = avalanche(this.#b + Math.imul(a, 0x165667b1));
    this.#a = a;
  }
}

/** The last step of MurmurHash3: every bit of the word reaches every bit of the result. */
function avalanche(word: number): number {
  let h = word ^ (word >>> 16);
  h = Math.imul(h, 0x85ebca6b);
  h ^= h >>> 13;
  h = Math.imul(h, 0xc2b2ae35);
  return h ^ (h >>> 16);
}

function hex32(word: number): string {
  return (word >>> 0).toString(16).padStart(8, "0");
}

const ORIGIN: Seed = { a: 0x243f6a88, b: 0x13198a2e };

/** What all records of an application begin with. */
export function applicationSeed(namespace: string, application: string): Seed {
  return new Digest().begin(ORIGIN).word(KIND.instance).text(namespace).text(application).seed();
}

export function writeInstance(digest: Digest, seed: Seed, instance: Instance): Digest {
  const { meta, location } = instance;
  digest.begin(seed).text(instance.protocol).text(instance.addr).word(meta.length);
  for (const pair of meta) {
    digest.text(pair[0]).text(pair[1]);
  }
  digest.word(instance.weight).text(instance.version);
  if (location === null) {
    digest.word(0);
  } else {
    digest.word(1).text(location.region).text(location.zone).text(location.campus);
  }
  return digest
    .text(instance.status)
    .text(instance.reason)
    .text(instance.session)
    .integer(instance.createdRevision)
    .integer(instance.modifiedRevision)
    .integer(instance.createdAtMs)
    .integer(instance.modifiedAtMs);
}

/** What never changes of a session. */
export interface SessionRecord {
  readonly id: string;
  readonly secretHash: string;
  readonly ttlMs: number;
  readonly graceMs: number;
  readonly client: string;
  readonly order: number;
  readonly openedRevision: number;
  readonly openedAtMs: number;
}

/** What all records of a session begin with; most of a session is hashed only here. */
export function sessionSeed(session: SessionRecord): Seed {
  return new Digest()
    .begin(ORIGIN)
    .word(KIND.session)
    .text(session.id)
    .text(session.secretHash)
    .integer(session.ttlMs)
    .integer(session.graceMs)
    .text(session.client)
    .integer(session.order)
    .integer(session.openedRevision)
    .integer(session.openedAtMs)
    .seed();
}

export function writeSession(digest: Digest, seed: Seed, ending: EndReason | null): Digest {
  return digest
    .begin(seed)
    .word(KIND.session)
    .word(ending === null ? 0 : REASONS[ending]);
}

export function writeWindow(digest: Digest, seed: Seed, lastSeq: number, floor: number): Digest {
  return digest.begin(seed).word(KIND.window).integer(lastSeq).integer(floor);
}

export function writeOwned(digest: Digest, seed: Seed, revision: number): Digest {
  return digest.begin(seed).word(KIND.owned).integer(revision);
}

export function writeReply(digest: Digest, seed: Seed, seq: number, reply: Reply): Digest {
  return digest
    .begin(seed)
    .word(KIND.reply)
    .integer(seq)
    .integer(reply.revision)
    .text(reply.ok ? null : reply.code);
}

/** An ended session, kept so that a late duplicate of its opening is known for what it is. */
export interface Tombstone {
  readonly session: string;
  readonly reason: EndReason;
  /** The state's revision after the command that ended it. */
  readonly revision: number;
  /** The log index of that command's entry. */
  readonly index: number;
}

export function writeTombstone(digest: Digest, tombstone: Tombstone): Digest {
  return digest
    .begin(ORIGIN)
    .word(KIND.tombstone)
    .text(tombstone.session)
    .word(REASONS[tombstone.reason])
    .integer(tombstone.revision)
    .integer(tombstone.index);
}

/** What there is once in a state. */
export interface Totals {
  readonly revision: number;
  readonly stateVersion: number;
  readonly clockMs: number;
  /** Sessions ever opened: the order of the last one. */
  readonly opened: number;
  /** Tombstones ever dropped for newer ones. */
  readonly evicted: number;
}

export function writeTotals(digest: Digest, totals: Totals): Digest {
  return digest
    .begin(ORIGIN)
    .word(KIND.totals)
    .integer(totals.revision)
    .integer(totals.stateVersion)
    .integer(totals.clockMs)
    .integer(totals.opened)
    .integer(totals.evicted);
}
