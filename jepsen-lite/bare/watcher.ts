import type { Content, Key, Selector, Subscribe } from "../history.ts";
import { type ClientOptions, Life, RECONNECT_MS_MAX } from "./client.ts";
import { ENCODINGS } from "./encoding.ts";
import { Link } from "./link.ts";
import {
  codeOf,
  type Endpoint,
  integerOf,
  keyOf,
  type Message,
  selectorOf,
  viewOf,
} from "./messages.ts";
import { Reader } from "./reader.ts";

const SILENCE_MS_MAX = 5_000;
const WATCHDOG_MS = 1_000;
const SUBSCRIBE_ID = 1;
/** It goes elsewhere of itself so often. */
const MOVE_MS = [500, 6_000] as const;
/** A probe is over after this long at the most. */
const PROBE_MS = [300, 2_500] as const;
/** Points of its way that it can go back to. */
const POINTS_KEPT = 32;
const SOON_REVISIONS = 60;
/** A revision that no run reaches. */
const NEVER_REVISIONS = 1_000_000_000;
const OTHER_LINEAGE = "00000000000000000000000000000000.9";

/**
 * From where a watch is asked for: where the watcher is, `past` one of the points before, `anew` as
 * if it had nothing. The others are probes, by which it learns nothing of its own: `soon` a revision
 * that is about to come, `never` one that is not, `lineage` with a hello that names a high revision of
 * another lineage, which means nothing here.
 */
const RESUMPTIONS = [
  "exact",
  "exact",
  "exact",
  "past",
  "anew",
  "soon",
  "never",
  "lineage",
] as const;
type Resumption = (typeof RESUMPTIONS)[number];

export interface WatcherOptions extends ClientOptions {
  /** Drawn where it is left out. */
  readonly mode?: "delta" | "full";
  /** It moves to another node only where it has to. */
  readonly isStaying?: boolean;
  /**
   * So many more watches of the same, which it does not look at: what it is sent is that much more.
   * It reads nothing then.
   */
  readonly ballast?: number;
}

/**
 * A consumer that folds what its watch receives, goes on where it was, or from elsewhere, on other
 * nodes, and reads. It writes down what it is told, and judges nothing.
 */
export class Watcher {
  readonly name: string;
  readonly selector: Selector;
  readonly #options: WatcherOptions;
  readonly #mode: "delta" | "full";
  readonly #reader: Reader;
  readonly #life = new Life();
  #link: Link | null = null;
  #stream = 0;
  /** Its number on this connection; null before it is told. */
  #watch: number | null = null;
  #view: Map<Key, Content> | null = null;
  /** Of a row of frames that is not complete yet. */
  #gathered: Map<Key, Content> | null = null;
  #revision = 0;
  #floorRevision = 0;
  #lineage: string | null = null;
  #heardMs = 0;
  #deliveries = 0;
  #resets = 0;
  /** The last on which something came. */
  #fedStream = 0;
  #resumption: Resumption = "anew";
  #isAnswered = false;
  #probes = 0;
  #isStalled = false;
  /** Where it has been, the latest last. */
  #points: { readonly revision: number; readonly view: ReadonlyMap<Key, Content> }[] = [];

  constructor(options: WatcherOptions) {
    const { prng } = options;
    this.name = options.name;
    this.#options = options;
    this.#reader = new Reader({ ...options, client: options.name });
    this.#mode = options.mode ?? (prng.chance(250) ? "full" : "delta");
    this.selector = {
      namespace: "default",
      application: prng.pick(options.applications),
      protocol: prng.pick([null, "http"]),
      meta: prng.chance(300) ? [["tag", "read"]] : [],
    };
  }

  get deliveries(): number {
    return this.#deliveries;
  }

  get reads(): number {
    return this.#reader.answered;
  }

  /** Where it is connected; null while it is not. */
  get url(): string | null {
    return this.#link?.isOpen === true ? this.#link.url : null;
  }

  /** The number of its subscription in the history. */
  get stream(): number {
    return this.#stream;
  }

  /** Something has come on it. */
  get isFed(): boolean {
    return this.#fedStream === this.#stream;
  }

  /** How often it was told that what it had is void. */
  get resets(): number {
    return this.#resets;
  }

  /** What it has by now; null before the first snapshot. */
  get view(): ReadonlyMap<Key, Content> | null {
    return this.#view;
  }

  get revision(): number {
    return this.#revision;
  }

  start(): void {
    this.#connect();
    if (this.#options.ballast === undefined) this.#readLater();
    this.#watchdog();
    this.#moveLater();
  }

  /** It reads nothing until `read`; its connection stands. */
  stall(): void {
    this.#isStalled = true;
    this.#link?.pause();
  }

  read(): void {
    if (!this.#isStalled) return;
    this.#isStalled = false;
    this.#heardMs = this.#options.clock.nowMs;
    this.#link?.resume();
  }

  kill(): void {
    this.#link?.close();
    this.#link = null;
    this.#life.end();
  }

  #connect(): void {
    const { prng, urls, clock } = this.#options;
    this.#link?.close();
    this.#reader.forget();
    const link: Link = new Link(prng.pick(urls), prng.pick(ENCODINGS), {
      onOpen: () => {
        if (this.#link === link) this.#hello(link);
      },
      onMessage: (message) => {
        if (this.#link === link) this.#receive(link, message);
      },
      onStrange: (what) => this.#options.onStrange(`${this.name}: ${what}`),
      onGone: () => {
        if (this.#link !== link) return;
        this.#link = null;
        this.#life.later(prng.below(RECONNECT_MS_MAX), () => {
          if (this.#link === null) this.#connect();
        });
      },
    });
    this.#link = link;
    this.#heardMs = clock.nowMs;
    const chosen = this.#options.isStaying ? "exact" : prng.pick(RESUMPTIONS);
    this.#resumption = this.#view === null ? "anew" : chosen;
    this.#isAnswered = false;
    this.#watch = null;
  }

  #hello(link: Link): void {
    const { name } = this.#options;
    const seen = { revision: this.#floorRevision, lineage: this.#lineage };
    const other = { revision: NEVER_REVISIONS, lineage: OTHER_LINEAGE };
    link.send({
      ...{ type: "hello", versions: [1], client: { name, version: "1", language: "bare" } },
      ...(this.#resumption === "lineage" ? other : this.#lineage !== null && seen),
    });
  }

  #subscribe(link: Link): void {
    const { recorder, prng, count } = this.#options;
    this.#stream = recorder.stream();
    this.#gathered = null;
    const mode = this.#mode;
    const from = this.#from();
    // Whoever comes with another lineage has told the node nothing that it has seen of this one.
    if (this.#resumption === "lineage") this.#probes += 1;
    const process = this.#resumption === "lineage" ? `${this.name}/${this.#probes}` : this.name;
    recorder.record({
      ...{ type: "subscribe", stream: this.#stream, process, selector: this.selector },
      ...{ from, mode },
    });
    count(`watches ${this.#resumption}`);
    const { ballast = 0 } = this.#options;
    const subscribes = Array.from({ length: 1 + ballast }, () => selectorOf(this.selector));
    link.send({
      ...{ type: "subscribe", id: SUBSCRIBE_ID, subscribes, mode },
      ...(from !== null && { from: from.revision }),
      allowUnknownAge: prng.chance(500),
    });
    if (this.#isProbing) this.#connectLater(link, prng.between(...PROBE_MS));
  }

  /** Asks for what it has not been at, and keeps what it has. */
  get #isProbing(): boolean {
    return ["soon", "never", "lineage"].includes(this.#resumption);
  }

  #from(): Subscribe["from"] {
    const { prng } = this.#options;
    switch (this.#resumption) {
      case "soon":
        return { revision: this.#floorRevision + prng.between(1, SOON_REVISIONS), view: null };
      case "never":
        return { revision: this.#floorRevision + NEVER_REVISIONS, view: null };
      case "lineage":
      case "anew":
        return null;
      case "past":
        this.#goBack();
        break;
      default:
        break;
    }
    return this.#view === null ? null : { revision: this.#revision, view: [...this.#view] };
  }

  #goBack(): void {
    if (this.#points.length === 0) return;
    const { revision, view } = this.#options.prng.pick(this.#points);
    this.#revision = revision;
    this.#view = new Map(view);
    this.#points = this.#points.filter((point) => point.revision <= revision);
  }

  #receive(link: Link, message: Message): void {
    this.#heardMs = this.#options.clock.nowMs;
    switch (message.type) {
      case "welcome":
        this.#lineage = String(message["lineage"]);
        this.#subscribe(link);
        return;
      case "snapshot":
        if (message["watch"] === this.#watch) this.#snapshot(link, message);
        return;
      case "delta":
        if (message["watch"] === this.#watch) this.#delta(link, message);
        return;
      case "mark":
        this.#mark(link, integerOf(message["revision"]) ?? 0);
        return;
      case "reply":
        this.#seen(integerOf(message["revision"]));
        if (this.#reader.replied(message)) return;
        if (message["ok"] === true) [this.#watch = null] = message["watches"] as readonly number[];
        else this.#refused(link, message);
        return;
      case "goaway":
        this.#connectLater(link);
        return;
      default:
        // A newer node may say more.
        return;
    }
  }

  #refused(link: Link, reply: Message): void {
    this.#options.count(`watches ${this.#resumption} refused ${codeOf(reply)}`);
    this.#connectLater(link);
  }

  #connectLater(link: Link, delayMs = this.#options.prng.below(RECONNECT_MS_MAX)): void {
    this.#life.later(delayMs, () => {
      if (this.#link !== link) return;
      if (this.#isStalled) this.#connectLater(link, delayMs);
      else this.#connect();
    });
  }

  #moveLater(): void {
    this.#life.later(this.#options.prng.between(...MOVE_MS), () => {
      if (!this.#isStalled && !this.#options.isStaying) this.#connect();
      this.#moveLater();
    });
  }

  /** What its watch is told; counted once, by what was asked for. */
  #answered(): void {
    if (this.#isAnswered) return;
    this.#isAnswered = true;
    this.#options.count(`watches ${this.#resumption} answered`);
  }

  #snapshot(link: Link, message: Message): void {
    const revision = integerOf(message["revision"]) ?? 0;
    const view = viewOf(message["endpoints"]);
    const isReset = message["reset"] === true;
    const stream = this.#stream;
    this.#options.recorder.record({ type: "snapshot", stream, revision, view, isReset });
    this.#answered();
    if (this.#isProbing) {
      this.#seen(revision);
      return;
    }
    this.#resets += isReset ? 1 : 0;
    this.#view = new Map(view);
    this.#gathered = null;
    this.#moved(link, revision);
  }

  #delta(link: Link, message: Message): void {
    const revision = integerOf(message["revision"]) ?? 0;
    const put = viewOf(message["put"]);
    const remove = (message["remove"] as readonly Endpoint[]).map(keyOf);
    const told = message["collapsed"] as
      | { readonly from: number; readonly last: boolean }
      | undefined;
    const collapsed = told === undefined ? null : { from: told.from, isLast: told.last };
    const stream = this.#stream;
    this.#options.recorder.record({ type: "delta", stream, revision, put, remove, collapsed });
    this.#answered();
    if (this.#isProbing) {
      if (collapsed === null || collapsed.isLast) this.#seen(revision);
      return;
    }
    const view = this.#gathered ?? new Map(this.#view ?? []);
    for (const key of remove) view.delete(key);
    for (const [key, content] of put) view.set(key, content);
    // Only the last frame of a row is a point to go on from.
    const isWhole = collapsed === null || collapsed.isLast;
    this.#gathered = isWhole ? null : view;
    if (!isWhole) return;
    this.#view = view;
    this.#moved(link, revision);
  }

  #mark(link: Link, revision: number): void {
    this.#options.recorder.record({ type: "mark", stream: this.#stream, revision });
    this.#answered();
    if (this.#isProbing) this.#seen(revision);
    else if (this.#view !== null) this.#moved(link, revision);
  }

  #moved(link: Link, revision: number): void {
    this.#deliveries += 1;
    this.#fedStream = this.#stream;
    this.#revision = revision;
    this.#seen(revision);
    this.#points = [...this.#points, { revision, view: this.#view ?? new Map() }].slice(
      -POINTS_KEPT,
    );
    link.send({ type: "ack", revision });
  }

  #readLater(): void {
    const { prng, operationMs } = this.#options;
    this.#life.later(prng.between(1, operationMs * 8), () => {
      // Where it has not told what it has seen, it may be shown less.
      const isTold = this.#resumption !== "lineage";
      if (this.#link !== null && !this.#isStalled && isTold) {
        this.#reader.read(this.#link, this.selector, this.#floorRevision);
      }
      this.#readLater();
    });
  }

  /** Marks come every two seconds: a silent stream is a dead one. */
  #watchdog(): void {
    this.#life.later(WATCHDOG_MS, () => {
      const isSilent = this.#options.clock.nowMs - this.#heardMs > SILENCE_MS_MAX;
      if (isSilent && !this.#isStalled) this.#connect();
      this.#watchdog();
    });
  }

  #seen(revision: number | null): void {
    this.#floorRevision = Math.max(this.#floorRevision, revision ?? 0);
  }
}
