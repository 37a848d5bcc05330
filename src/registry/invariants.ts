import { assert } from "../util/assert.ts";
import type { Applications } from "./applications.ts";
import {
  applicationSeed,
  Digest,
  sessionSeed,
  type Totals,
  writeInstance,
  writeOwned,
  writeReply,
  writeSession,
  writeTombstone,
  writeTotals,
  writeWindow,
} from "./digest.ts";
import { compareKeys, compareWithin } from "./key-order.ts";
import type { Session, Sessions } from "./sessions.ts";
import type { Tombstones } from "./tombstones.ts";

export interface RegistryParts {
  readonly instances: Applications;
  readonly sessions: Sessions;
  readonly tombstones: Tombstones;
  readonly limits: { readonly tombstonesMax: number; readonly unansweredPerSessionMax: number };
  readonly totals: Totals;
  readonly digest: string;
}

/** Walks all of the state: for tests and simulations. */
export function checkInvariants(parts: RegistryParts): void {
  const digest = new Digest();
  const owned = checkInstances(parts, digest);
  let ownedBySessions = 0;
  let ending = 0;
  for (const session of parts.sessions.sorted()) {
    checkSession(parts, session, digest);
    ownedBySessions += session.owned;
    ending += session.ending === null ? 0 : 1;
  }
  assert(owned === ownedBySessions, "each owned instance is in the set of one session");
  assert(ending === parts.sessions.ending.length, "the ending sessions are listed");
  let lastIndex = 0;
  let tombstones = 0;
  for (const tombstone of parts.tombstones) {
    assert(tombstone.index >= lastIndex, "tombstones are in the order of the log");
    assert(parts.tombstones.get(tombstone.session) === tombstone, "a tombstone is found by id");
    lastIndex = tombstone.index;
    tombstones += 1;
    writeTombstone(digest, tombstone).add();
  }
  assert(tombstones <= parts.limits.tombstonesMax, "tombstones are bounded");
  const fromScratch = writeTotals(digest, parts.totals).withRecord();
  assert(parts.digest === fromScratch, () => `digest ${parts.digest}, recomputed ${fromScratch}`);
}

function checkInstances({ instances, sessions, totals }: RegistryParts, digest: Digest): number {
  let count = 0;
  let owned = 0;
  for (const application of instances) {
    const sorted = application.sorted();
    assert(sorted.length === application.size && sorted.length > 0, "no application is empty");
    const seed = applicationSeed(application.namespace, application.name);
    for (const [place, instance] of sorted.entries()) {
      const before = sorted[place - 1];
      assert(before === undefined || compareWithin(before, instance) < 0, "a view is sorted");
      assert(application.get(instance.protocol, instance.addr) === instance, "a view is current");
      assert(instance.modifiedRevision <= totals.revision, "no record is of the future");
      if (instance.session !== null) {
        assert(
          sessions.get(instance.session)?.instances.has(instance) === true,
          "an owned instance is known to its owner",
        );
        owned += 1;
      }
      writeInstance(digest, seed, instance).add();
    }
    count += sorted.length;
  }
  assert(count === instances.instanceCount, "instances are counted");
  return owned;
}

function checkSession({ limits, totals }: RegistryParts, session: Session, digest: Digest): void {
  const { replies, lastSeq, floor, ownedRevision } = session;
  assert(session.order <= totals.opened, "sessions are numbered in the order of opening");
  assert(replies.size <= limits.unansweredPerSessionMax, "kept replies are bounded");
  assert(replies.size === lastSeq - floor + 1, "each number from the floor on has its reply");
  assert(ownedRevision <= totals.revision, "nothing of a session is of the future");
  let last = null;
  for (const instance of session.instances) {
    assert(instance.session === session.id, "a session's set holds what it owns");
    assert(
      last === null ||
        last.modifiedRevision < instance.modifiedRevision ||
        (last.modifiedRevision === instance.modifiedRevision && compareKeys(last, instance) < 0),
      "what a session owns is in the order of its records",
    );
    last = instance;
  }
  const seed = sessionSeed(session);
  writeSession(digest, seed, session.ending).add();
  writeWindow(digest, seed, lastSeq, floor).add();
  writeOwned(digest, seed, ownedRevision).add();
  for (let seq = floor; seq <= lastSeq; seq++) {
    const reply = replies.reply(seq);
    assert(reply !== null, "a kept reply is found");
    writeReply(digest, seed, seq, reply).add();
  }
}
