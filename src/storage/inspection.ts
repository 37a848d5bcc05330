import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import type { HardState } from "../raft/types.ts";
import { BLOCK_BYTES } from "./block.ts";
import { describeDamage } from "./damage.ts";
import { messageOf } from "./disk-errors.ts";
import { isThere, readIfThere } from "./durable-file.ts";
import {
  databaseOf,
  decodeGeneration,
  FIRST_GENERATION,
  type Generation,
  generationOfFile,
  markOf,
} from "./generation.ts";
import { decodeBirth, decodeIdentity } from "./identity.ts";
import type { KeyValueStore } from "./key-value-store.ts";
import {
  DIRECTORY_FILES,
  decodeFormat,
  FORMAT_KEY,
  FORMAT_VERSION,
  LOG_START,
  type LogPosition,
} from "./layout.ts";
import { type OnCopyRead, readCopy } from "./level-copy.ts";
import { readLog } from "./level-storage.ts";
import { decodeMark, laterMark } from "./mark-record.ts";
import { laterInUse } from "./next-generation.ts";
import { confIn } from "./returning.ts";
import type { Identity, Membership, Returning } from "./storage.ts";
import { isVoteBehind, VOTE_FILES } from "./vote-copies.ts";
import { decodeVote, newerVote } from "./vote-record.ts";

export interface DamagedFile {
  /** In the data directory. */
  readonly file: string;
  readonly text: string;
  /** A start mends it from what else is there, and goes on. */
  readonly isMended: boolean;
}

/** What a log holds, as far as it is linked from its start. */
export interface LogFacts {
  /** Every entry, every chunk and the end are as they have to be. */
  readonly isIntact: boolean;
  readonly firstIndex: number;
  readonly lastIndex: number;
  readonly lastTerm: number;
  /** Null of a damaged log. */
  readonly commitIndex: number | null;
  readonly snapshot: { readonly index: number; readonly bytes: number } | null;
}

/** What can be told of a data directory without starting a node on it. */
export interface Inspection {
  readonly path: string;
  /**
   * `read`: all of it. `running`: a node has it open, so only what never changes. `none`: there is
   * no data directory, or one that was never made to the end. `newer`: of a later format.
   */
  readonly state: "read" | "running" | "none" | "newer";
  /** Of `none` and `newer`, and of a log that was not read although it is there. */
  readonly why: string | null;
  readonly identity: Identity | null;
  readonly birth: Membership | null;
  readonly hardState: HardState | null;
  /** How many of the two copies can be read. */
  readonly voteCopies: number;
  readonly mark: LogPosition | null;
  readonly returning: Returning | null;
  /** Its log is set aside at the next start. */
  readonly isSetAside: boolean;
  /** What people were told when its member was removed. */
  readonly removed: string | null;
  /** What people were told when its cluster went on in a higher epoch, without it. */
  readonly superseded: string | null;
  readonly log: LogFacts | null;
  /** Who votes, by the log or else by the birth; null where neither can be read. */
  readonly voters: readonly { readonly id: string; readonly name: string }[] | null;
  /** Ids of them. It takes a majority of each: two while one configuration gives way to the next. */
  readonly voterHalves: readonly (readonly string[])[];
  readonly damages: readonly DamagedFile[];
}

const FILES = DIRECTORY_FILES;

/** Looks, and writes nothing into the directory. */
export async function inspectDirectory(
  path: string,
  onRead: OnCopyRead = () => {},
): Promise<Inspection> {
  const why = await whyNone(path);
  return why === null ? new Inspector(path, onRead).inspect() : { ...nothingOf(path), why };
}

function nothingOf(path: string): Inspection {
  return {
    ...{ path, state: "none", why: null, identity: null, birth: null, hardState: null },
    ...{ voteCopies: 0, mark: null, returning: null, isSetAside: false },
    ...{ removed: null, superseded: null, log: null, voters: null, voterHalves: [] },
    damages: [],
  };
}

async function whyNone(path: string): Promise<string | null> {
  try {
    if (!(await stat(path)).isDirectory()) return "it is no directory";
    const names = new Set<string>(Object.values(FILES));
    const own = (await readdir(path)).filter((file) => names.has(file));
    if (own.length === 0) return "nothing of a data directory is in it";
    if (own.includes(FILES.unfinished)) return "a restore or a recovery into it was cut short";
    const isUnfinished = own.includes(FILES.creating) && !own.includes(FILES.identity);
    return isUnfinished ? "its making was cut short: the next start makes it" : null;
  } catch (error) {
    const isAbsent = (error as NodeJS.ErrnoException).code === "ENOENT";
    return isAbsent ? "there is none" : `it cannot be read: ${messageOf(error)}`;
  }
}

class Inspector {
  readonly #path: string;
  readonly #onRead: OnCopyRead;
  readonly #damages: DamagedFile[] = [];

  constructor(path: string, onRead: OnCopyRead) {
    this.#path = path;
    this.#onRead = onRead;
  }

  async inspect(): Promise<Inspection> {
    const nothing = nothingOf(this.#path);
    const identity = await this.#record(FILES.identity, decodeIdentity);
    if (identity === null) this.#missing(FILES.identity, await this.#read(FILES.identity));
    const version = identity?.formatVersion ?? 0;
    if (version > FORMAT_VERSION) {
      const why = `it has format ${version}; this Rollcall knows formats up to ${FORMAT_VERSION}`;
      return { ...nothing, state: "newer", why, identity };
    }
    const own = identity?.incarnation ?? null;
    const born = await this.#record(FILES.birth, decodeBirth);
    const isForeign = born !== null && own !== null && born.incarnation !== own;
    if (isForeign) this.#bad(FILES.birth, `it is of another directory (${born.incarnation})`);
    const birth = born?.membership ?? null;
    const generation = await this.#generation(own);
    const later = own === null ? null : await laterInUse(this.#path, own, generation);
    if (later !== null) this.#bad(FILES.generation, `it is older than ${later}, which was in use`);
    const outdated = await this.#read(FILES.outdated);
    if (outdated !== null) this.#bad(FILES.outdated, outdated.toString("utf8").trim());
    const facts = {
      ...({ ...nothing, state: "read", identity, birth, returning: generation.returning } as const),
      isSetAside: await isThere(join(this.#path, FILES.diverged)),
      removed: await this.#text(FILES.removed),
      superseded: await this.#text(FILES.superseded),
      voters:
        birth === null ? null : birth.members.map(({ name, incarnation: id }) => ({ id, name })),
      voterHalves: birth === null ? [] : [birth.members.map(({ incarnation }) => incarnation)],
    };
    const database = databaseOf(generation.number);
    if (!(await isThere(join(this.#path, database)))) {
      this.#bad(database, "it is missing");
      return { ...facts, ...(await this.#votesAndMark(generation, own)), damages: this.#damages };
    }
    // What is written while it is read is told neither from what is torn nor from what is lost.
    const read = async (store: KeyValueStore) => {
      const small = await this.#votesAndMark(generation, own);
      return { ...small, ...(await this.#log(store, database, own, small)) };
    };
    const outcome = await readCopy(join(this.#path, database), read, this.#onRead);
    switch (outcome.type) {
      case "running":
        return { ...facts, state: "running", damages: this.#damages };
      case "bad":
        for (const { file, text } of outcome.files) this.#bad(`${database}/${file}`, text);
        break;
      case "damaged":
        this.#bad(database, outcome.why);
        break;
      case "unread":
        break;
      default:
        if ((await this.#read(FILES.birth)) === null && (outcome.result.log?.lastIndex ?? 0) > 0) {
          this.#bad(FILES.birth, `it is missing although ${database} has entries`);
        }
        return { ...facts, ...outcome.result, damages: this.#damages };
    }
    const why =
      outcome.type === "unread"
        ? `${database} was not read: ${outcome.why}`
        : `${database} is damaged, so its log was not read`;
    const small = await this.#votesAndMark(generation, own);
    return { ...facts, ...small, why, damages: this.#damages };
  }

  async #generation(own: string | null): Promise<Generation> {
    const read = await this.#record(FILES.generation, decodeGeneration);
    if (read !== null) {
      if (own !== null && read.incarnation !== own) {
        this.#bad(FILES.generation, `it is of another directory (${read.incarnation})`);
      }
      return read.generation;
    }
    const numbers = (await readdir(this.#path)).map((file) => generationOfFile(file) ?? 0);
    const later = Math.max(0, ...numbers);
    const isBegun = await isThere(join(this.#path, FILES.diverged));
    if (later > 0 && !isBegun && !(await isThere(join(this.#path, FILES.generation)))) {
      this.#bad(FILES.generation, `it is missing although ${databaseOf(later)} is there`);
    }
    return FIRST_GENERATION;
  }

  /** `own` null: nobody can say whose they are, so they are not judged. */
  async #votesAndMark(
    { number }: Generation,
    own: string | null,
  ): Promise<Pick<Inspection, "hardState" | "voteCopies" | "mark">> {
    const votes = await Promise.all(
      VOTE_FILES.map(async (file) => {
        const content = await this.#read(file);
        return { file, content, record: own === null ? null : decodeVote(content, own) };
      }),
    );
    const good = votes.filter(({ record }) => record !== null);
    for (const { file, content, record } of votes) {
      const text = content === null ? "it is missing" : "it is not as it was written";
      if (record === null && own !== null) this.#bad(file, text, good.length > 0);
    }
    const file = markOf(number);
    const content = await this.#read(file);
    const slots = [content?.subarray(0, BLOCK_BYTES), content?.subarray(BLOCK_BYTES)];
    const [a = null, b = null] = slots.map((slot) =>
      own === null ? null : decodeMark(slot ?? null, own),
    );
    const mark = laterMark(a, b);
    if (mark === null && own !== null) {
      this.#bad(
        file,
        content === null ? "it is missing" : "neither of its records is as it was written",
      );
    }
    const [one = null, other = null] = votes.map(({ record }) => record);
    const vote = newerVote(one, other);
    if (vote !== null && isVoteBehind({ writes: vote.write }, mark)) {
      for (const name of VOTE_FILES)
        this.#bad(name, "it is older than the mark, which knows of a later vote");
    }
    const hardState = vote === null ? null : { term: vote.term, vote: vote.vote };
    return { hardState, voteCopies: good.length, mark: mark?.position ?? null };
  }

  async #log(
    store: KeyValueStore,
    database: string,
    own: string | null,
    { hardState, mark }: Pick<Inspection, "hardState" | "mark">,
  ): Promise<Pick<Inspection, "log"> & Partial<Pick<Inspection, "voters" | "voterHalves">>> {
    const sealed = await store.get(FORMAT_KEY);
    const format = sealed === null ? null : decodeFormat(sealed);
    if (format === null) this.#bad(database, "it does not say whose it is");
    else if (own !== null && format.incarnation !== own) {
      this.#bad(database, `it is of another directory (${format.incarnation})`);
    }
    // What else is wrong with vote and mark stands beside their names already.
    const any = { term: Number.MAX_SAFE_INTEGER, vote: null };
    const verdict = await readLog(store, hardState ?? any, mark ?? LOG_START);
    if (verdict.type === "damaged") {
      this.#bad(database, describeDamage(verdict.damage));
      const { index, term } = verdict.proved;
      const log = { isIntact: false, firstIndex: 1, lastIndex: index, lastTerm: term };
      return { log: { ...log, commitIndex: null, snapshot: null } };
    }
    const { snapshot, logStart, entries, commitIndex } = verdict.loaded;
    const end = entries.at(-1) ?? logStart;
    const conf = confIn(verdict.loaded);
    const halves = conf === null ? [] : [conf.voters, conf.votersOutgoing];
    const voting = halves.flat();
    return {
      log: {
        ...{ isIntact: true, firstIndex: logStart.index + 1 },
        ...{ lastIndex: end.index, lastTerm: end.term, commitIndex },
        snapshot: snapshot === null ? null : { index: snapshot.index, bytes: snapshot.bytes },
      },
      ...(conf !== null && {
        voters: conf.members
          .filter(({ id }) => voting.includes(id))
          .map(({ id, name }) => ({ id, name })),
        voterHalves: halves.filter((half) => half.length > 0),
      }),
    };
  }

  /** Null where it is not there, or cannot be read, which is noted. */
  async #record<T>(file: string, decode: (content: Uint8Array) => T | null): Promise<T | null> {
    const content = await this.#read(file);
    const record = content === null ? null : decode(content);
    if (content !== null && record === null) this.#bad(file, "it is not as it was written");
    return record;
  }

  async #text(file: string): Promise<string | null> {
    return (await this.#read(file))?.toString("utf8").trim() ?? null;
  }

  async #read(file: string): Promise<Buffer | null> {
    try {
      return await readIfThere(join(this.#path, file));
    } catch (error) {
      this.#bad(file, messageOf(error));
      return null;
    }
  }

  #missing(file: string, content: Buffer | null): void {
    if (content === null) this.#bad(file, "it is missing");
  }

  #bad(file: string, text: string, isMended = false): void {
    if (this.#damages.some((known) => known.file === file && known.text === text)) return;
    this.#damages.push({ file, text, isMended });
  }
}
