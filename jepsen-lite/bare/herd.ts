import { type ClientOptions, Life } from "./client.ts";
import { ENCODINGS } from "./encoding.ts";
import { Link } from "./link.ts";
import { codeOf, integerOf, isSessionOver, type Message } from "./messages.ts";

const OPEN_TIMEOUT_MS = 10_000;
/** So many at once are not served sooner by dialling again while they wait. */
const CONNECT_MS_MAX = 10_000;
const OPENING_ID = 0;
const BYE_ID = 1;
const RETRY_MS_MAX = 2_000;

/** How many of a herd are there, and what has become of them. */
export interface HerdCount {
  readonly sessions: number;
  /** Have a session that is confirmed on the connection of now. */
  readonly present: number;
}

/**
 * Many sessions that own nothing: each opens one, keeps it, and comes back at once where its connection
 * breaks. Of what they do only openings, signs of life and ends are written down.
 */
export class Herd {
  readonly #options: ClientOptions;
  #members: Member[] = [];
  /** Have said goodbye, and may be answered yet. */
  #leaving: Member[] = [];
  #gathered = 0;

  constructor(options: ClientOptions) {
    this.#options = options;
  }

  get count(): HerdCount {
    const present = this.#members.filter(({ isPresent }) => isPresent).length;
    return { sessions: this.#members.length, present };
  }

  /** All of them dial, as fast as this machine lets them. */
  gather(size: number): void {
    this.#gathered += 1;
    const { name } = this.#options;
    for (let i = this.#members.length; i < size; i += 1) {
      const member = new Member({ ...this.#options, name: `${name}${this.#gathered}.${i + 1}` });
      this.#members.push(member);
      member.start();
    }
  }

  /** The connection from that port is about to be reset by whoever is between. */
  wasReset(port: number): void {
    for (const member of [...this.#members, ...this.#leaving]) member.wasReset(port);
  }

  /** They say goodbye, and are gone. */
  disperse(): void {
    for (const member of this.#members) member.leave();
    this.#leaving.push(...this.#members);
    this.#members = [];
  }

  kill(): void {
    this.disperse();
    for (const member of this.#leaving) member.kill();
    this.#leaving = [];
  }
}

class Member {
  readonly #options: ClientOptions;
  readonly #life = new Life();
  readonly #id: string;
  readonly #secret: string;
  #link: Link | null = null;
  #attach = 0;
  #opening: number | null = null;
  #isOpened = false;
  #isPresent = false;
  #resumption: number | null = null;
  #bye: number | null = null;
  #tries = 0;
  #pings = 0;
  readonly #asked = new Map<number, number>();

  constructor(options: ClientOptions) {
    this.#options = options;
    this.#id = options.prng.hex(32);
    this.#secret = options.prng.hex(32);
  }

  get isPresent(): boolean {
    return this.#isPresent;
  }

  start(): void {
    this.#connect();
    this.#pingLater();
  }

  wasReset(port: number): void {
    if (this.#link?.port === port) this.#closed();
  }

  leave(): void {
    const { recorder, name } = this.#options;
    const isSaid = this.#isPresent && this.#link !== null;
    this.#life.end();
    if (isSaid) {
      const bye = { puts: [], removes: [], isBye: true } as const;
      const call = { kind: "write", session: this.#id, seq: 1, ...bye } as const;
      this.#bye = recorder.invoke(name, call);
      this.#link?.send({ type: "bye", id: BYE_ID, seq: 1, low: 1 });
    }
    if (this.#opening !== null) recorder.record({ type: "abandoned", session: this.#id });
    this.#isPresent = false;
    if (!isSaid) this.kill();
  }

  kill(): void {
    this.#closed();
    this.#life.end();
    this.#link?.close();
    this.#link = null;
  }

  #connect(): void {
    const { prng, urls, name, onStrange, count } = this.#options;
    if (this.#life.isOver) return;
    this.#attach += 1;
    this.#isPresent = false;
    this.#asked.clear();
    let waitMs = 0;
    const link: Link = new Link(
      prng.pick(urls),
      prng.pick(ENCODINGS),
      {
        onOpen: () => this.#hello(link),
        onMessage: (message) => {
          if (this.#link === link) this.#receive(link, message);
        },
        onStrange: (what) => onStrange(`${name}: ${what}`),
        onRefused: (status, retryAfterMs) => {
          count(`herd refused ${status}`);
          waitMs = retryAfterMs;
        },
        onGone: () => {
          if (this.#link === link) this.#gone(waitMs);
        },
      },
      CONNECT_MS_MAX,
    );
    this.#link = link;
  }

  #gone(waitMs: number): void {
    const { prng } = this.#options;
    this.#closed();
    this.#link = null;
    this.#isPresent = false;
    this.#tries += 1;
    // The first time at once.
    const boundMs = this.#tries === 1 ? 0 : Math.min(RETRY_MS_MAX, 50 * 2 ** this.#tries);
    this.#life.later(waitMs + prng.below(boundMs + 1), () => this.#connect());
  }

  #closed(): void {
    if (this.#opening === null || this.#link === null) return;
    const [session, attach] = [this.#id, this.#attach];
    this.#options.recorder.record({ type: "closed", session, attach });
  }

  #hello(link: Link): void {
    const { recorder, name } = this.#options;
    const session = { id: this.#id, secret: this.#secret, attach: this.#attach };
    if (this.#isOpened) {
      const { id, attach } = session;
      this.#resumption = recorder.invoke(name, { kind: "touch", session: id, attach });
    }
    link.send({
      ...{ type: "hello", versions: [1], client: { name: "herd", version: "1", language: "bare" } },
      ...(this.#isOpened && { session }),
    });
    if (!this.#isOpened) this.#open(link);
  }

  #open(link: Link): void {
    const { recorder, name, ttlMs, graceMs } = this.#options;
    const session = { id: this.#id, secret: this.#secret, attach: this.#attach };
    if (this.#opening === null) {
      this.#opening = recorder.invoke(name, { kind: "open", session: this.#id, ttlMs, graceMs });
    } else {
      recorder.record({ type: "again", op: this.#opening });
    }
    link.send({
      type: "open",
      id: OPENING_ID,
      session,
      ttlMs,
      graceMs,
      timeoutMs: OPEN_TIMEOUT_MS,
    });
  }

  #receive(link: Link, message: Message): void {
    const { recorder, count } = this.#options;
    const revision = integerOf(message["revision"]);
    switch (message.type) {
      case "reply":
        if (message["id"] === BYE_ID) {
          if (message["ok"] === true && this.#bye !== null) {
            recorder.record({ type: "ok", op: this.#bye, revision });
          }
          this.kill();
        } else if (message["ok"] === true) {
          if (this.#opening !== null && !this.#isOpened) {
            recorder.record({ type: "ok", op: this.#opening, revision });
          }
          this.#isOpened = true;
          this.#present("opened");
        } else {
          count(`herd open refused ${codeOf(message)}`);
          if (isSessionOver(codeOf(message))) this.#over("unknown", revision);
          else this.#life.later(this.#options.prng.below(RETRY_MS_MAX), () => this.#tryAgain(link));
        }
        return;
      case "session":
        if (message["state"] === "resumed" && this.#resumption !== null) {
          recorder.record({ type: "ok", op: this.#resumption, revision });
          this.#resumption = null;
          this.#present("resumed");
        }
        // With its goodbye unanswered, that is no news.
        if (message["state"] === "expired" && this.#bye === null) {
          this.#over(String(message["reason"]), revision);
        }
        return;
      case "pong": {
        const op = this.#asked.get(integerOf(message["id"]) ?? 0);
        if (op === undefined || message["confirmed"] !== true) return;
        recorder.record({ type: "ok", op, revision });
        return;
      }
      case "goaway":
        this.#life.later(
          this.#options.prng.below(1 + (integerOf(message["spreadMs"]) ?? 0)),
          () => {
            if (this.#link !== link) return;
            this.#closed();
            link.close();
            this.#connect();
          },
        );
        return;
      default:
        return;
    }
  }

  #tryAgain(link: Link): void {
    if (this.#link === link && !this.#isOpened) this.#open(link);
  }

  #present(how: string): void {
    this.#isPresent = true;
    this.#tries = 0;
    this.#options.count(`herd sessions ${how}`);
  }

  /** It is not opened again: that it ended is to be seen. */
  #over(reason: string, revision: number | null): void {
    const { recorder, count } = this.#options;
    count(`herd sessions ended by ${reason}`);
    if (this.#opening !== null && this.#isOpened) {
      recorder.record({ type: "toldEnd", session: this.#id, reason, revision: revision ?? 0 });
    }
    this.#isPresent = false;
    this.#life.end();
    this.#link?.close();
    this.#link = null;
  }

  #pingLater(): void {
    const { recorder, name, ttlMs, prng } = this.#options;
    const periodMs = Math.floor(ttlMs / 3);
    this.#life.later(prng.between(periodMs >> 1, periodMs), () => {
      if (this.#isPresent && this.#link !== null) {
        this.#pings += 1;
        const [session, attach] = [this.#id, this.#attach];
        const op = recorder.invoke(name, { kind: "touch", session, attach });
        this.#asked.set(this.#pings, op);
        this.#link.send({ type: "ping", id: this.#pings });
      }
      this.#pingLater();
    });
  }
}
