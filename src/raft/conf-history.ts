import { assert, must } from "../util/assert.ts";
import type { ConfCodec } from "./conf-codec.ts";
import { checkConf, isMemberOf } from "./conf-state.ts";
import type { LogView } from "./log.ts";
import type { ConfState, Entry, LogIndex, MemberId, SnapshotMeta } from "./types.ts";

interface Step {
  /** Null: the snapshot's, and as of its index. */
  readonly entry: Entry | null;
  readonly index: LogIndex;
  readonly conf: ConfState;
}

/**
 * The configurations that snapshot and log hold. The last one is in force as soon as it is in the
 * log, committed or not (§6), and no longer than it is there: n1 appends a configuration and
 * crashes, n2 leads without it, and n1's is cut off again with its entry.
 */
export class ConfHistory {
  readonly #codec: ConfCodec;
  /** By rising index; the first is the snapshot's, the others are the log's behind it. */
  #steps: readonly Step[];
  /** Were members as of something committed that a snapshot has taken the place of since. */
  readonly #former = new Set<MemberId>();

  constructor(codec: ConfCodec, snapshot: Omit<SnapshotMeta, "term">) {
    this.#codec = codec;
    this.#steps = [baseOf(snapshot)];
  }

  get inForce(): ConfState {
    return this.#last.conf;
  }

  /** Of the entry that brought the one in force, or of the snapshot. */
  get inForceIndex(): LogIndex {
    return this.#last.index;
  }

  get #last(): Step {
    return must(this.#steps.at(-1));
  }

  /** As of `index`, which is not before the snapshot's. */
  at(index: LogIndex): ConfState {
    return must(
      this.#steps.findLast((step) => step.index <= index),
      () => `no configuration is known as of ${index}`,
    ).conf;
  }

  /** Each of those in force between `index` and now, the one as of `index` first. */
  since(index: LogIndex): readonly ConfState[] {
    const first = Math.max(
      0,
      this.#steps.findLastIndex((step) => step.index <= index),
    );
    return this.#steps.slice(first).map(({ conf }) => conf);
  }

  /**
   * `id` is in no configuration as of `index`, which is committed, but was in one before. What
   * stood before the snapshot that a start begins with is not known.
   */
  isGone(id: MemberId, index: LogIndex): boolean {
    const before = this.#steps.filter((step) => step.index <= index);
    const wasMember = this.#former.has(id) || before.some(({ conf }) => isMemberOf(conf, id));
    return wasMember && !isMemberOf(must(before.at(-1)).conf, id);
  }

  /** The log was appended to or cut off; true where another configuration is in force now. */
  refresh(log: LogView): boolean {
    const snapshot = must(this.#steps[0]);
    const entries = log.confEntries.filter(({ index }) => index > snapshot.index);
    let same = 0;
    while (same < entries.length && this.#steps[same + 1]?.entry === entries[same]) same++;
    if (same === entries.length && same === this.#steps.length - 1) return false;
    const before = this.#last;
    this.#steps = [
      ...this.#steps.slice(0, same + 1),
      ...entries.slice(same).map((entry) => this.#stepOf(entry)),
    ];
    return this.#last !== before;
  }

  /**
   * The log goes on behind this snapshot: one taken here, or one that a leader has sent. Where it
   * was sent, what stood here past `commitIndex` may never have been committed.
   */
  rebase(snapshot: Omit<SnapshotMeta, "term">, log: LogView, commitIndex: LogIndex): void {
    for (const { index, conf } of this.#steps) {
      if (index > Math.min(snapshot.index, commitIndex)) break;
      for (const { id } of conf.members) this.#former.add(id);
    }
    this.#steps = [baseOf(snapshot), ...this.#steps.filter(({ index }) => index > snapshot.index)];
    this.refresh(log);
  }

  #stepOf(entry: Entry): Step {
    const conf = this.#codec.decode(entry.data);
    checkConf(conf);
    return { entry, index: entry.index, conf };
  }

  checkInvariants(log: LogView): void {
    const last = log.confEntries.at(-1);
    const { entry, index } = this.#last;
    assert(last === undefined || last.index <= index, () => {
      return `the configuration of ${index} is in force, and ${last?.index} holds another`;
    });
    assert(entry === null || log.entryAt(index) === entry, () => {
      return `the configuration of ${index} is in force, and not in the log`;
    });
  }
}

function baseOf({ index, conf }: Omit<SnapshotMeta, "term">): Step {
  checkConf(conf);
  return { entry: null, index, conf };
}
