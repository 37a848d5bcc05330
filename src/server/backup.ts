import type { Clock, Timers } from "../env/env.ts";
import type { Refusal } from "../errors.ts";
import {
  BACKUP_REST_MS,
  BACKUP_TURN_MS_MAX,
  NAMESPACE_DEFAULT,
  OVERLOADED_RETRY_AFTER_MS,
} from "../limits.ts";
import { isVoterOf } from "../raft/conf-state.ts";
import type { Registry } from "../registry/registry.ts";
import type { ReplicaStatus } from "../replica/status.ts";
import type { BackupHeader } from "../storage/backup-file.ts";
import type { BirthRecord } from "../storage/storage.ts";
import type { AddressBook } from "./address-book.ts";
import { BackupBytes } from "./backup-bytes.ts";
import type { LocalReads } from "./local-reads.ts";
import { byName } from "./status.ts";

export type BackupAnswer =
  | { readonly ok: true; readonly header: BackupHeader; readonly bytes: AsyncIterable<Uint8Array> }
  | { readonly ok: false; readonly refusal: Refusal };

export interface BackupHost {
  readonly name: string;
  readonly version: string;
  readonly birth: BirthRecord;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly addresses: AddressBook;
  readonly registry: Registry;
  readonly reads: LocalReads;
  status(): ReplicaStatus;
}

const POLL_MS = 20;

/**
 * Gives out the state of this node, as it is at one index, in the form of a backup file, while it
 * goes on. Leader or not: whoever asks is told how old it may be, or asks for a state that has all
 * that was acknowledged before (`isLinearizable`).
 *
 * The view of the state costs memory as long as it is read, and no snapshot of the log is taken
 * meanwhile. So there is one at a time, and who reads it too slowly, or not at all, loses it after
 * `BACKUP_MS_MAX`: what was sent then lacks its end, and is no backup. Between two of them there is a
 * rest, in which a snapshot that is due has its turn: readers that follow each other would else hold
 * it off, and the log would grow.
 */
export class Backups {
  readonly #host: BackupHost;
  #restsUntilMs = Number.NEGATIVE_INFINITY;

  constructor(host: BackupHost) {
    this.#host = host;
  }

  async take(isLinearizable: boolean): Promise<BackupAnswer> {
    if (isLinearizable) {
      // Whatever is looked for: what comes back is that this node has applied all that was
      // acknowledged before it was asked.
      const nothing = { namespace: NAMESPACE_DEFAULT, application: "-", protocol: null, meta: [] };
      const read = await this.#host.reads.read(nothing, { type: "linearizable" });
      if (!read.ok) {
        return read;
      }
    }
    const { clock, timers } = this.#host;
    const endMs = clock.monotonicMs() + BACKUP_TURN_MS_MAX;
    for (;;) {
      const begun = this.#begin();
      if (begun !== null) {
        return begun;
      }
      if (clock.monotonicMs() > endMs) {
        return overloaded();
      }
      await new Promise<void>((resolve) => timers.after(POLL_MS, resolve));
    }
  }

  /** Null: not now. */
  #begin(): BackupAnswer | null {
    const { registry, clock } = this.#host;
    if (clock.monotonicMs() < this.#restsUntilMs) {
      return null;
    }
    const status = this.#host.status();
    if (status.isReturning) {
      const message = "the state of a peer is to take the place of this node's own";
      return { ok: false, refusal: { code: "DRAINING", message } };
    }
    const term = status.lastAppliedTerm;
    if (term === null || registry.isFrozen) {
      return null;
    }
    // All in one turn of the loop: the view and what is said of it are of one index.
    const header = this.#header(status, term);
    const view = registry.freeze();
    const { timers } = this.#host;
    const bytes = new BackupBytes(view, header, timers, () => {
      this.#restsUntilMs = clock.monotonicMs() + BACKUP_REST_MS;
    });
    return { ok: true, header, bytes };
  }

  #header(status: ReplicaStatus, term: number): BackupHeader {
    const { name, version, birth, clock, addresses } = this.#host;
    return {
      clusterId: birth.clusterId,
      epoch: birth.epoch,
      index: status.lastApplied,
      term,
      revision: status.revision,
      digest: status.digest,
      agreedIndex: status.agreedIndex,
      node: name,
      version,
      takenAtMs: clock.wallMs(),
      ageMs: status.ageMs === null ? null : Math.round(status.ageMs),
      instances: status.instances,
      sessions: status.sessions,
      members: byName(status.committedConf).map(({ name: member, id }) => ({
        ...{ name: member, id, address: addresses.serving(member) },
        membership: isVoterOf(status.committedConf, id) ? ("voter" as const) : ("learner" as const),
      })),
    };
  }
}

function overloaded(): BackupAnswer {
  const message = "another backup is being read, or a snapshot is being taken";
  const retryAfterMs = OVERLOADED_RETRY_AFTER_MS;
  return { ok: false, refusal: { code: "OVERLOADED", message, retryAfterMs } };
}
