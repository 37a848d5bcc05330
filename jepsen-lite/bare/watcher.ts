import type { Content, Key, Selector } from "../history.ts";
import { type ClientOptions, Life, RECONNECT_MS_MAX } from "./client.ts";
import { Link } from "./link.ts";
import { type Endpoint, integerOf, keyOf, type Message, selectorOf, viewOf } from "./messages.ts";
import { Reader } from "./reader.ts";

const SILENCE_MS_MAX = 5_000;
const WATCHDOG_MS = 1_000;
const SUBSCRIBE_ID = 1;

/**
 * A consumer that folds what its watch receives, goes on where it was on other nodes, and reads. It
 * writes down what it is told, and judges nothing.
 */
export class Watcher {
  readonly name: string;
  readonly selector: Selector;
  readonly #options: ClientOptions;
  readonly #mode: "delta" | "full";
  readonly #reader: Reader;
  readonly #life = new Life();
  #link: Link | null = null;
  #stream = 0;
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

  constructor(options: ClientOptions) {
    const { prng } = options;
    this.name = options.name;
    this.#options = options;
    this.#reader = new Reader({ ...options, client: options.name });
    this.#mode = prng.chance(250) ? "full" : "delta";
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
    this.#readLater();
    this.#watchdog();
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
    const link: Link = new Link(prng.pick(urls), {
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
  }

  #hello(link: Link): void {
    const { name } = this.#options;
    link.send({
      ...{ type: "hello", versions: [1], client: { name, version: "1", language: "bare" } },
      ...(this.#lineage !== null && { revision: this.#floorRevision, lineage: this.#lineage }),
    });
  }

  #subscribe(link: Link): void {
    const { recorder, prng } = this.#options;
    this.#stream = recorder.stream();
    this.#gathered = null;
    const [view, revision, mode] = [this.#view, this.#revision, this.#mode];
    recorder.record({
      ...{ type: "subscribe", stream: this.#stream, process: this.name, selector: this.selector },
      ...{ from: view === null ? null : { revision, view: [...view] }, mode },
    });
    link.send({
      ...{ type: "subscribe", id: SUBSCRIBE_ID, subscribes: [selectorOf(this.selector)], mode },
      ...(view !== null && { from: revision }),
      allowUnknownAge: prng.chance(500),
    });
  }

  #receive(link: Link, message: Message): void {
    this.#heardMs = this.#options.clock.nowMs;
    switch (message.type) {
      case "welcome":
        this.#lineage = String(message["lineage"]);
        this.#subscribe(link);
        return;
      case "snapshot":
        this.#snapshot(link, message);
        return;
      case "delta":
        this.#delta(link, message);
        return;
      case "mark":
        this.#mark(link, integerOf(message["revision"]) ?? 0);
        return;
      case "reply":
        this.#seen(integerOf(message["revision"]));
        if (!this.#reader.replied(message) && message["ok"] !== true) this.#connectLater(link);
        return;
      case "goaway":
        this.#connectLater(link);
        return;
      default:
        // A newer node may say more.
        return;
    }
  }

  #connectLater(link: Link): void {
    this.#life.later(this.#options.prng.below(RECONNECT_MS_MAX), () => {
      if (this.#link === link) this.#connect();
    });
  }

  #snapshot(link: Link, message: Message): void {
    const revision = integerOf(message["revision"]) ?? 0;
    const view = viewOf(message["endpoints"]);
    const isReset = message["reset"] === true;
    const stream = this.#stream;
    this.#options.recorder.record({ type: "snapshot", stream, revision, view, isReset });
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
    if (this.#view !== null) this.#moved(link, revision);
  }

  #moved(link: Link, revision: number): void {
    this.#deliveries += 1;
    this.#fedStream = this.#stream;
    this.#revision = revision;
    this.#seen(revision);
    link.send({ type: "ack", revision });
  }

  #readLater(): void {
    const { prng, operationMs } = this.#options;
    this.#life.later(prng.between(1, operationMs * 8), () => {
      if (this.#link !== null) {
        this.#reader.read(this.#link, this.selector, this.#floorRevision);
      }
      this.#readLater();
    });
  }

  /** Marks come every two seconds: a silent stream is a dead one. */
  #watchdog(): void {
    this.#life.later(WATCHDOG_MS, () => {
      if (this.#options.clock.nowMs - this.#heardMs > SILENCE_MS_MAX) this.#connect();
      this.#watchdog();
    });
  }

  #seen(revision: number | null): void {
    this.#floorRevision = Math.max(this.#floorRevision, revision ?? 0);
  }
}
