import type { Clock, Logger, Random, Timers } from "../env/env.ts";
import {
  CALL_TIMEOUT_MS_DEFAULT,
  ELECTION_TICKS_MAX,
  PEER_REDIAL_MS_MAX,
  TICK_MS,
} from "../limits.ts";
import { LogDamaged } from "../storage/damage.ts";
import type { DataDirectory } from "../storage/directory.ts";
import { HEALING_ADVICE } from "../storage/recovery-advice.ts";
import type { Salvage } from "../storage/salvage.ts";
import type { Pointer } from "../storage/snapshot-layout.ts";
import { dataOf } from "../storage/snapshot-repair.ts";
import { AssertionError } from "../util/assert.ts";
import { textOf } from "../util/text-of.ts";
import { endOfEpoch } from "./epoch-end.ts";
import { LaterEpochTold, laterEpoch, parseLineage } from "./lineage.ts";
import {
  type LogHost,
  type LogPage,
  type LogQuestions,
  logQuestions,
  OtherLineage,
} from "./log-page.ts";
import { Member } from "./member.ts";
import type { MemberOptions } from "./member-options.ts";
import { Rounds } from "./rounds.ts";
import { lineageOf } from "./status.ts";
import { storedRegistry } from "./stored-registry.ts";

export interface HealingOptions {
  readonly salvage: Salvage;
  readonly damage: LogDamaged;
  readonly lineage: string;
  readonly name: string;
  /** Of all members that anything tells of, this one among them or not. */
  readonly members: readonly string[];
  /** Where to ask a member, best first. */
  readonly placesOf: (name: string) => readonly string[];
  /** How to ask; over HTTP unless given. */
  readonly ask?: LogQuestions;
  /** Whether these chunks make the state that the snapshot says; looked at unless given. Rejects where nobody can tell. */
  readonly isState?: typeof isStateOf;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly logger: Logger;
}

/** What has come of a question to a member. */
interface Asked {
  readonly text: string;
  /** It is there, and has not said whether it has all that it was asked for. */
  readonly isOpen: boolean;
}

/** Of a member, whom it follows; true at some moment between the two. */
interface Claim {
  readonly leader: string | null;
  readonly askedMs: number;
  readonly answeredMs: number;
}

/** What a member has answered. */
interface Answered extends Asked {
  /** Null where it has not answered for entries. */
  readonly claim: Claim | null;
}

const NOWHERE = "every other member has answered, and none has it, or a whole snapshot that fits";

/** A leader that is gone is one no more by then, by its own word and by that of whoever followed it. */
const LED_MS_MIN = 2 * ELECTION_TICKS_MAX * TICK_MS;

/**
 * A member whose log is damaged takes no part until it has it again, entry by entry, from any other
 * member, whether that leads, follows, or heals itself. It keeps term and vote, and the log that it
 * comes back with is the very one that it had: so it has neither forgotten a vote nor anything that
 * it acknowledged, and nobody has to do without it.
 *
 * n1, n2 and n3 have lost different thirds of the log, and nobody leads. Each hands out what it has
 * left, and all three are whole again.
 *
 * Entries that a snapshot stands for are had from nobody, and neither is a snapshot that was damaged
 * here. Then the snapshot of a peer takes their place, where it was taken at an entry that this log
 * has: what is before that entry is the same for both. A leader is not needed for it: n1 has all, the
 * snapshots of n2 and n3 are damaged, and nobody could be elected to send them another one.
 *
 * Where a leader says of itself that it leads, and goes on saying so, and nobody has an entry that is
 * missing here, because snapshots have taken its place, nobody can have it back. The leader has all
 * that was committed. The log is then set aside, and the member comes back as one that takes the state
 * of a peer (`src/raft/returning.ts`). Without a leader it waits: what it has left may be needed. The
 * word of a follower is not enough, which names a leader for a while that is gone. Neither is silence:
 * who has answered for entries, and not for its snapshot, may have one that fits.
 */
export class Healing {
  readonly #options: HealingOptions;
  readonly #rounds: Rounds;
  readonly #others: readonly string[];
  readonly #ask: LogQuestions;
  readonly #abort = new AbortController();
  #answers = "nobody was asked yet";
  /** By what all others have answered in the last round, and none of them leads. */
  #isNowhere = false;
  /** The first time that it said that it leads; since then nobody has given anything. */
  #led: Claim | null = null;

  constructor(options: HealingOptions) {
    this.#options = options;
    this.#rounds = new Rounds(options.timers, options.random, PEER_REDIAL_MS_MAX);
    this.#others = [...new Set(options.members)].filter((name) => name !== options.name);
    this.#ask = options.ask ?? logQuestions(options.lineage, CALL_TIMEOUT_MS_DEFAULT);
  }

  /** For members that heal too. */
  get logHost(): LogHost {
    return { source: this.#options.salvage, lineage: this.#options.lineage, leader: null };
  }

  waitingFor(): string {
    const { repair, snapshots } = this.#options.salvage;
    const { proved, all } = repair.progress;
    const { state } = repair;
    const closest = snapshots.closest((position) => repair.isWholeWith(position));
    const [chunk, here] =
      closest === null
        ? ["", ""]
        : [
            `, or chunk ${closest.lacks} of the snapshot at entry ${closest.index}`,
            ` (${closest.have} of ${closest.chunks} chunks are here)`,
          ];
    const what =
      state.type === "wants"
        ? `${proved} of ${all} entries are whole, entry ${state.wanted}${chunk} is asked for${here}`
        : state.type === "whole"
          ? "it is written anew"
          : `it contradicts itself at entry ${state.index}`;
    const nowhere = this.#isNowhere && state.type === "wants" ? [NOWHERE] : [];
    return [`the log is damaged: ${what}`, ...nowhere, this.#answers].join("; ");
  }

  /** `run` resolves soon, and the next start heals anew. */
  stop(): void {
    this.#rounds.stop();
    this.#abort.abort();
  }

  /**
   * Resolves with true once the directory has a log that can be opened, with false where it was
   * stopped before.
   *
   * @throws LogDamaged where there is nobody to ask, LaterEpochTold, StorageError DISK.
   */
  async run(): Promise<boolean> {
    const { salvage, damage, logger } = this.#options;
    const isWhole = salvage.repair.state.type === "whole";
    if (!isWhole && this.#others.length === 0) throw damage;
    logger.warn({ hint: isWhole ? "" : HEALING_ADVICE, members: this.#others }, damage.message);
    const end = await this.#rounds.until(() => this.#round());
    if (end === null) return false;
    const { signal } = this.#abort;
    const isDone = await (end === "rebuilt" ? salvage.rebuild(signal) : salvage.setAside(signal));
    if (!isDone) return false;
    const { proved: entries } = salvage.repair.progress;
    if (end === "rebuilt") logger.warn({ entries }, "the log is whole again, and written anew");
    else logger.warn({}, "nobody has what is missing of the log: it is set aside");
    return !signal.aborted;
  }

  async #round(): Promise<"rebuilt" | "setAside" | null> {
    const { repair, snapshots } = this.#options.salvage;
    const before = repair.progress.proved + snapshots.chunkCount;
    const answers: string[] = [];
    let led: Claim | null = null;
    let isOpen = false;
    let areAllThere = true;
    for (const name of this.#others) {
      if (repair.state.type === "whole" || this.#rounds.isStopped) break;
      const asked = await this.#takeFrom(name);
      if (asked.claim?.leader === name) led = asked.claim;
      isOpen ||= asked.isOpen;
      areAllThere &&= asked.claim !== null;
      answers.push(`${name}: ${asked.text}`);
    }
    const isStill = !isOpen && repair.progress.proved + snapshots.chunkCount === before;
    this.#isNowhere = isStill && areAllThere && led === null;
    this.#told(answers);
    if (repair.state.type === "whole") return "rebuilt";
    return this.#isGivenUp(isStill ? led : null) ? "setAside" : null;
  }

  /** As long as a question takes, nobody knows when it was true what it was answered. */
  #isGivenUp(led: Claim | null): boolean {
    if (led === null) this.#led = null;
    else if (this.#led?.leader !== led.leader) this.#led = led;
    return led !== null && this.#led !== null && led.askedMs - this.#led.answeredMs >= LED_MS_MIN;
  }

  get #isWanting(): boolean {
    return this.#options.salvage.repair.state.type === "wants" && !this.#rounds.isStopped;
  }

  /** Takes from it what there is, at the first place where anything is answered. */
  async #takeFrom(name: string): Promise<Answered> {
    let answered: Answered = { claim: null, text: "nobody knows where it is", isOpen: false };
    for (const place of this.#options.placesOf(name)) {
      answered = await this.#takeAt(name, place);
      if (answered.claim !== null || answered.isOpen || !this.#isWanting) break;
    }
    return answered;
  }

  /** Entries may be long in coming, from a slow disk, where a snapshot is at hand: both are asked for. */
  async #takeAt(name: string, place: string): Promise<Answered> {
    const { claim, text } = await this.#takeEntriesFrom(name, place);
    if (!this.#isWanting) return { claim, text, isOpen: false };
    const failure = await this.#takeRecordFrom(name, place);
    if (failure !== null) {
      if (claim === null) return { claim, text, isOpen: false };
      return { claim, text: `${text}, has not told of its snapshot (${failure})`, isOpen: true };
    }
    const entries = claim === null ? `has not given entries (${text})` : text;
    const snapshot = await this.#takeSnapshotFrom(place);
    const told = snapshot === null ? entries : `${entries}, ${snapshot.text}`;
    return { claim, text: told, isOpen: claim === null || snapshot?.isOpen === true };
  }

  /** `claim` null: it has not answered, as `text` says. */
  async #takeEntriesFrom(name: string, place: string): Promise<Pick<Answered, "claim" | "text">> {
    const { salvage, clock } = this.#options;
    for (;;) {
      const { state } = salvage.repair;
      const to = state.type === "wants" ? state.wanted : 1;
      const askedMs = clock.monotonicMs();
      let page: LogPage;
      try {
        page = await this.#ask.entries(place, to);
      } catch (error) {
        if (error instanceof OtherLineage) this.#checkEpoch(name, error.lineage);
        return { claim: null, text: textOf(error) };
      }
      const { leader, values } = page;
      const claim = { leader, askedMs, answeredMs: clock.monotonicMs() };
      const isCloser = salvage.repair.offer(values);
      if (isCloser && this.#isWanting) continue;
      const led = leader === null ? "without a leader" : `led by ${leader}`;
      return { claim, text: `${led}, ${isCloser ? "has given entries" : `lacks entry ${to}`}` };
    }
  }

  /** Nothing that a cluster has left behind is made whole. */
  #checkEpoch(by: string, lineage: string): void {
    const own = parseLineage(this.#options.lineage);
    const epoch = own === null ? null : laterEpoch(own, parseLineage(lineage));
    if (epoch !== null) throw new LaterEpochTold({ epoch, by });
  }

  /** Why it has not answered; null where it has. */
  async #takeRecordFrom(name: string, place: string): Promise<string | null> {
    try {
      const record = await this.#ask.snapshotRecord(place);
      if (record !== null) this.#options.salvage.snapshots.offerPointer(name, record);
      return null;
    } catch (error) {
      return textOf(error);
    }
  }

  /** Null where it has none that has to do with this log. */
  async #takeSnapshotFrom(place: string): Promise<Asked | null> {
    const { repair, snapshots } = this.#options.salvage;
    const told: string[] = [];
    let isOpen = false;
    for (const pointer of snapshots.candidates((position) => repair.isWholeWith(position))) {
      const asked = (await this.#takeChunksFrom(place, pointer)) ?? (await this.#adopt(pointer));
      if (!this.#isWanting) return { text: asked.text, isOpen: false };
      isOpen ||= asked.isOpen;
      told.push(asked.text);
    }
    return told.length === 0 ? null : { text: told.join(", "), isOpen };
  }

  /** Of one that is whole: it takes the place of the damaged one where it is the state that it says. */
  async #adopt(pointer: Pointer): Promise<Asked> {
    const { salvage, isState = isStateOf } = this.#options;
    const what = `snapshot at entry ${pointer.snapshot.index}`;
    let isIt = false;
    try {
      isIt =
        salvage.snapshots.hasItsSize(pointer) && (await isState(pointer, this.#dataOf(pointer)));
    } catch (error) {
      return { text: `the ${what} could not be judged (${textOf(error)})`, isOpen: true };
    }
    if (isIt) {
      salvage.adopt(pointer);
      return { text: `has given the ${what}`, isOpen: false };
    }
    salvage.snapshots.refuse(pointer);
    return { text: `has a ${what} that is not what it says`, isOpen: false };
  }

  /** Of the first chunk that is missing still; null where none is. */
  async #takeChunksFrom(place: string, pointer: Pointer): Promise<Asked | null> {
    const { snapshots } = this.#options.salvage;
    let failure: string | null = null;
    let chunk = snapshots.missingFrom(pointer);
    while (chunk !== null && !this.#rounds.isStopped) {
      try {
        const given = await this.#ask.chunks(place, pointer.snapshot, chunk);
        const last = given.at(-1);
        if (last === undefined) break;
        snapshots.offerChunks(pointer, given);
        chunk = snapshots.missingFrom(pointer, Math.max(chunk, last.chunk) + 1);
      } catch (error) {
        failure = textOf(error);
        break;
      }
    }
    const lacks = snapshots.missingFrom(pointer);
    if (lacks === null) return null;
    const what = `chunk ${lacks} of the snapshot at entry ${pointer.snapshot.index}`;
    return failure === null
      ? { text: `lacks ${what}`, isOpen: false }
      : { text: `has not given ${what} (${failure})`, isOpen: true };
  }

  /** One chunk a turn of the loop: others that heal want their answers. */
  async *#dataOf(pointer: Pointer): AsyncGenerator<Uint8Array> {
    const { salvage, timers } = this.#options;
    for (const chunk of salvage.snapshots.chunksOf(pointer)) {
      await new Promise<void>((resolve) => timers.soon(resolve));
      this.#abort.signal.throwIfAborted();
      yield dataOf(pointer, chunk);
    }
  }

  #told(answers: readonly string[]): void {
    const text = answers.join("; ");
    if (text === this.#answers || text === "") return;
    this.#answers = text;
    this.#options.logger.info({}, this.waitingFor());
  }
}

/**
 * A checksum says that a chunk is what was written; the digest, that they are a state. Rejects where
 * that could not be found out.
 */
async function isStateOf(
  { snapshot }: Pointer,
  chunks: AsyncIterable<Uint8Array>,
): Promise<boolean> {
  try {
    await storedRegistry({ snapshot }, { chunks: () => chunks });
    return true;
  } catch (error) {
    if (error instanceof AssertionError) return false;
    throw error;
  }
}

/**
 * Starts a member; a log that is damaged is made whole first, once. Null where that was stopped. Rejects
 * with a NodeError where its cluster goes on without it.
 * `reopen`: the directory, once it is closed.
 */
export async function startHealed(
  options: MemberOptions,
  on: {
    onHealing(healing: Healing): void;
    reopen(): Promise<DataDirectory>;
  },
): Promise<Member | null> {
  try {
    return await Member.start(options);
  } catch (damage) {
    // Of a vote that was lost no peer knows, and the log is whole.
    if (!(damage instanceof LogDamaged) || damage.damage.what === "termBehind") {
      throw damage;
    }
    const { directory, addresses, birth, signal } = options;
    const salvage = await directory.salvage(signal);
    addresses.told(salvage.members);
    const members = [...salvage.members, ...birth.members].map(({ name }) => name);
    members.push(...addresses.names);
    const placesOf = (name: string) => addresses.dialable(name);
    const lineage = lineageOf(birth);
    const healing = new Healing({ ...options, salvage, damage, lineage, members, placesOf });
    on.onHealing(healing);
    const isHealed = await healing.run().catch(async (error: unknown) => {
      if (!(error instanceof LaterEpochTold)) throw error;
      throw await endOfEpoch(options.name, directory, birth, error.told);
    });
    if (!isHealed) {
      return null;
    }
    await directory.close();
    if (signal.aborted) return null;
    const again = await on.reopen();
    return signal.aborted ? null : Member.start({ ...options, directory: again });
  }
}
