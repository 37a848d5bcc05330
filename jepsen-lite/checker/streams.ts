import type { Content, Delta, Key, Mark, Snapshot } from "../history.ts";
import type { Domain, Facts } from "./facts.ts";
import type { Placed, Recorded, Stream } from "./recorded.ts";
import type { Finding, Part } from "./verdict.ts";

/**
 * The promises about watches that can be seen in one stream, by folding it:
 *
 * - it begins with a snapshot, or goes on from where its client says that it is, be that behind or
 *   ahead of what there is: nothing comes of what it says it has;
 * - revisions rise; nothing comes at or below a revision that the stream has reached, be it by a
 *   change or by a mark, and no mark comes before the stream has begun;
 * - what is not marked changes something: no change comes twice, none is empty;
 * - a jump is marked: a second snapshot of a delta stream is a RESET, a collapsed delta begins at or
 *   after what was reached, and is a state only with its last frame;
 * - it holds only what its selector selects.
 *
 * That nothing is missing is seen by comparison: a stream claims that each key held what it had last
 * said of it, at every revision up to the next that it names. These claims go into `facts`, where
 * those of other streams, reads, writes and nodes contradict them.
 *
 * O(events of streams + keys of a selector for each snapshot and collapsed delta).
 */
export function checkStreams({ streams }: Recorded, facts: Facts): Part {
  const findings: Finding[] = [];
  let looked = 0;
  for (const stream of streams) {
    const fold = new Fold(stream, facts, findings);
    for (const event of stream.events) {
      fold.take(event);
      looked += 1;
    }
    fold.close();
  }
  return { findings, looked };
}

interface Held {
  readonly content: Content | null;
  readonly from: number;
  readonly at: number;
}

class Fold {
  readonly #stream: Stream;
  readonly #facts: Facts;
  readonly #findings: Finding[];
  readonly #domain: Domain;
  /**
   * What the stream says of every key that its selector covers; empty before it has begun, and
   * nothing of a key that it has not named where it goes on from where its client has not been.
   */
  readonly #held = new Map<Key, Held>();
  /** All up to here is known. */
  #reached = 0;
  #reachedAt: number;
  #hasBegun = false;
  /** There is more than it knows, until a snapshot comes. */
  readonly #isBlind: boolean;
  /** Whether a snapshot would have to be a RESET. */
  #isFollowing = false;
  /** Frames of a collapsed delta whose last has not come. */
  #frames: Placed<Delta>[] = [];
  #isBroken = false;

  constructor(stream: Stream, facts: Facts, findings: Finding[]) {
    this.#stream = stream;
    this.#facts = facts;
    this.#findings = findings;
    const { at, event } = stream.subscribed;
    this.#domain = facts.domain(event.selector);
    this.#reachedAt = at;
    this.#isBlind = event.from !== null && event.from.view === null;
    if (event.from !== null) {
      this.#isFollowing = true;
      const { view, revision } = event.from;
      if (view === null) {
        this.#hasBegun = true;
        this.#reach(revision, at);
      } else {
        this.#begin(view, revision, at);
      }
    }
  }

  /** After the first fault of a stream, what follows means nothing. */
  take({ at, event }: Placed<Snapshot | Delta | Mark>): void {
    if (this.#isBroken) {
      return;
    }
    switch (event.type) {
      case "snapshot":
        this.#snapshot(event, at);
        break;
      case "delta":
        this.#delta({ at, event });
        break;
      case "mark":
        if (!this.#hasBegun) {
          this.#fault("No gap", "a mark before its first snapshot", at);
        } else if (event.revision < this.#reached) {
          this.#fault("In order", `a mark of revision ${event.revision}`, at);
        } else {
          this.#reach(event.revision, at);
        }
        break;
    }
  }

  close(): void {
    for (const key of this.#held.keys()) {
      this.#settle(key, this.#reached);
    }
  }

  #snapshot(event: Snapshot, at: number): void {
    const { mode } = this.#stream.subscribed.event;
    if (event.revision < this.#reached) {
      this.#fault("In order", `a snapshot of revision ${event.revision}`, at);
    } else if (mode === "delta" && this.#isFollowing && !event.isReset) {
      this.#fault("Marked where not every change is sent", "a snapshot that is no RESET", at);
    } else {
      this.#frames = [];
      this.#isFollowing = true;
      this.#begin(event.view, event.revision, at);
    }
  }

  /** Contents are unique, so one that is still there was there all the time between. */
  #begin(view: Snapshot["view"], revision: number, at: number): void {
    const shown = this.#facts.shown(this.#domain, view, at);
    for (const key of this.#domain.keys) {
      const content = shown.get(key) ?? null;
      const held = this.#held.get(key);
      if (held === undefined || content === null || held.content !== content) {
        this.#settle(key, this.#reached);
        this.#held.set(key, { content, from: revision, at });
      }
    }
    this.#hasBegun = true;
    this.#reach(revision, at);
  }

  #delta(placed: Placed<Delta>): void {
    const { at, event } = placed;
    const { revision, collapsed } = event;
    if (!this.#hasBegun) {
      this.#fault("In order", "a delta before its first snapshot", at);
    } else if (revision <= this.#reached) {
      this.#fault("In order", `a delta of revision ${revision}`, at);
    } else if (collapsed !== null) {
      this.#collapsed(placed, collapsed);
    } else if (this.#frames.length > 0) {
      this.#fault(
        "Marked where not every change is sent",
        "no last frame of what it stands for",
        at,
      );
    } else if (this.#isNews(placed)) {
      this.#change([placed], revision - 1);
      this.#reach(revision, at);
    }
  }

  #collapsed(placed: Placed<Delta>, { from, isLast }: { from: number; isLast: boolean }): void {
    const { at, event } = placed;
    if (from < this.#reached || from >= event.revision) {
      this.#fault("In order", `a collapsed delta of (${from}, ${event.revision}]`, at);
      return;
    }
    this.#frames.push(placed);
    if (!isLast) {
      return;
    }
    this.#change(this.#frames, from);
    this.#frames = [];
    for (const key of this.#domain.keys) {
      const held = this.#held.get(key);
      if (held?.content === null && held.from <= from) {
        this.#settle(key, from);
        this.#held.set(key, { content: null, from: event.revision, at });
      }
    }
    this.#reach(event.revision, at);
  }

  #isNews({ at, event: { put, remove } }: Placed<Delta>): boolean {
    const isGone = (key: Key): boolean => {
      const held = this.#held.get(key);
      return held === undefined ? !this.#isBlind : held.content === null;
    };
    const stale = put.find(([key, content]) => this.#held.get(key)?.content === content);
    const gone = remove.find(isGone);
    const both = remove.find((key) => put.some(([other]) => other === key));
    if (put.length + remove.length === 0) {
      this.#fault("Each change once", "a delta that changes nothing", at);
    } else if (stale !== undefined) {
      this.#fault("Each change once", `${stale[0]} is put again as it is`, at);
    } else if (gone !== undefined) {
      this.#fault("Each change once", `${gone} is removed, and was not there`, at);
    } else if (both !== undefined) {
      this.#fault("Each change once", `${both} is put and removed at once`, at);
    }
    return !this.#isBroken;
  }

  /** What was said before holds up to `until`. */
  #change(frames: readonly Placed<Delta>[], until: number): void {
    for (const { at, event } of frames) {
      const from = frames.at(-1)?.event.revision ?? event.revision;
      for (const key of event.remove) {
        this.#settle(key, until);
        this.#held.set(key, { content: null, from, at });
      }
      for (const [key, content] of this.#facts.shown(this.#domain, event.put, at)) {
        this.#settle(key, until);
        this.#held.set(key, { content, from, at });
      }
    }
  }

  #settle(key: Key, to: number): void {
    const held = this.#held.get(key);
    if (held !== undefined && held.from <= to) {
      const { content, from, at } = held;
      const unseenBy = content === null ? this.#domain.unseenBy : null;
      this.#facts.add(key, { from, to, content, unseenBy, source: "watch", at });
    }
  }

  #reach(revision: number, at: number): void {
    this.#reached = revision;
    this.#reachedAt = at;
  }

  #fault(promise: string, what: string, at: number): void {
    this.#isBroken = true;
    const { process } = this.#stream.subscribed.event;
    const where = `${process} got ${what}, at revision ${this.#reached} of its stream`;
    const events = [this.#stream.subscribed.at, this.#reachedAt, at];
    this.#findings.push({ checker: "streams", promise, what: where, events });
  }
}
