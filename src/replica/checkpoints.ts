import { CHECKPOINTS_KEPT, ELECTION_TICKS_MIN } from "../limits.ts";
import { type Halves, voteResult } from "../raft/quorum.ts";
import type { LogIndex, MemberId } from "../raft/types.ts";
import { assert } from "../util/assert.ts";

/** This member's state at `index` is not the one that a majority has there. */
export interface Divergence {
  readonly index: LogIndex;
  readonly own: string;
  readonly agreed: string;
}

/** No digest has a majority at `index`, though there is more than one. */
export interface Doubt {
  readonly index: LogIndex;
  readonly digests: readonly { readonly member: MemberId; readonly digest: string }[];
}

/**
 * What the members say of their states at the same indexes of the log. They are equal where every
 * member applies the same commands in the same way; where one does not, for a broken memory or a
 * fault in the program, it is found here, and has no say in who is right: the majority is.
 *
 * Nothing of it is on disk and nothing waits for an answer: a claim that is lost costs the verdict
 * of one index, one that comes late or twice says what it said before.
 */
export class Checkpoints {
  readonly #id: MemberId;
  /** At most `CHECKPOINTS_KEPT` of each, those of the highest indexes; this member's own among them. */
  readonly #claims = new Map<MemberId, Map<LogIndex, string>>();
  #agreedIndex: LogIndex = 0;
  #contested: { readonly index: LogIndex; ticks: number } | null = null;
  #doubt: Doubt | null = null;
  #divergence: Divergence | null = null;

  constructor(id: MemberId) {
    this.#id = id;
  }

  /** The highest index at which this member's state was the majority's; 0 before the first. */
  get agreedIndex(): LogIndex {
    return this.#agreedIndex;
  }

  /** Until a digest at its index or a higher one has a majority. */
  get doubt(): Doubt | null {
    return this.#doubt;
  }

  /** Set once, and for good. */
  get divergence(): Divergence | null {
    return this.#divergence;
  }

  /** The last claim of this member, for a peer that may have missed it. */
  get latest(): { readonly index: LogIndex; readonly digest: string } | null {
    let latest: { readonly index: LogIndex; readonly digest: string } | null = null;
    for (const [index, digest] of this.#claims.get(this.#id) ?? []) {
      if (latest === null || index > latest.index) {
        latest = { index, digest };
      }
    }
    return latest;
  }

  /** This member has applied everything up to `index`, and has `digest` there. */
  applied(index: LogIndex, digest: string, conf: Halves): void {
    this.#claim(this.#id, index, digest);
    this.#judge(index, conf);
  }

  /** `conf` is in force: what others than its voters say decides nothing and is not kept. */
  heard(from: MemberId, index: LogIndex, digest: string, conf: Halves): void {
    if (from === this.#id || !votersOf(conf).includes(from)) {
      return;
    }
    for (const member of this.#claims.keys()) {
      if (member !== this.#id && !votersOf(conf).includes(member)) {
        this.#claims.delete(member);
      }
    }
    this.#claim(from, index, digest);
    this.#judge(index, conf);
  }

  /** The state was replaced by another member's: what this one said was of the former. */
  installed(): void {
    this.#claims.delete(this.#id);
    this.#contested = null;
  }

  /**
   * Where two differ and the one that would decide says nothing, there is no majority: that is so
   * when it has had an election timeout for it.
   */
  tick(conf: Halves): void {
    this.#judgeAgain(conf);
    const contested = this.#contested;
    if (contested === null) {
      return;
    }
    contested.ticks += 1;
    if (contested.ticks >= ELECTION_TICKS_MIN) {
      this.#contested = null;
      this.#doubtAt(contested.index, conf);
    }
  }

  /** Who votes may have changed, and with it who is a majority of what was said before. */
  #judgeAgain(conf: Halves): void {
    const open = this.#doubt ?? this.#contested;
    if (open === null) {
      return;
    }
    for (const index of this.#claims.get(this.#id)?.keys() ?? []) {
      if (index >= open.index) {
        this.#judge(index, conf);
      }
    }
  }

  #claim(member: MemberId, index: LogIndex, digest: string): void {
    let claims = this.#claims.get(member);
    if (claims === undefined) {
      claims = new Map();
      this.#claims.set(member, claims);
    }
    claims.set(index, digest);
    if (claims.size > CHECKPOINTS_KEPT) {
      claims.delete(Math.min(...claims.keys()));
    }
    assert(claims.size <= CHECKPOINTS_KEPT, "old checkpoints are forgotten");
  }

  #judge(index: LogIndex, conf: Halves): void {
    const own = this.#claims.get(this.#id)?.get(index);
    if (own === undefined || this.#divergence !== null) {
      return;
    }
    const digests = this.#digestsAt(index, conf);
    const values = [...new Set(digests.map(({ digest }) => digest))];
    const results = values.map((value) => {
      const votes = new Map(digests.map(({ member, digest }) => [member, digest === value]));
      return { value, result: voteResult(conf, votes) };
    });
    const agreed = results.find(({ result }) => result === "won")?.value;
    if (agreed === own) {
      this.#agreed(index);
    } else if (agreed !== undefined) {
      this.#divergence = { index, own, agreed };
    } else if (values.length > 1 && index > this.#agreedIndex) {
      if (digests.length === votersOf(conf).length) {
        this.#doubtAt(index, conf);
      } else if (this.#doubt === null) {
        this.#contested ??= { index, ticks: 0 };
      }
    }
  }

  #agreed(index: LogIndex): void {
    this.#agreedIndex = Math.max(this.#agreedIndex, index);
    if (this.#contested !== null && this.#contested.index <= index) {
      this.#contested = null;
    }
    if (this.#doubt !== null && this.#doubt.index <= index) {
      this.#doubt = null;
    }
  }

  #doubtAt(index: LogIndex, conf: Halves): void {
    if (index >= (this.#doubt?.index ?? 0)) {
      this.#doubt = { index, digests: this.#digestsAt(index, conf) };
    }
  }

  /** What each voter has said of it, in the order of their ids. */
  #digestsAt(index: LogIndex, conf: Halves): Doubt["digests"] {
    return votersOf(conf).flatMap((member) => {
      const digest = this.#claims.get(member)?.get(index);
      return digest === undefined ? [] : [{ member, digest }];
    });
  }
}

function votersOf({ voters, votersOutgoing }: Halves): readonly MemberId[] {
  return [...new Set([...voters, ...votersOutgoing])].sort();
}
