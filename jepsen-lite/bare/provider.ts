import { Life, type ProviderOptions, RECONNECT_MS_MAX, selectorOfApplication } from "./client.ts";
import { ENCODINGS } from "./encoding.ts";
import { Link } from "./link.ts";
import { codeOf, integerOf, isSessionOver, type Message } from "./messages.ts";
import { Reader } from "./reader.ts";
import { Writes } from "./writes.ts";

const OPEN_TIMEOUT_MS = 2_000;
/** Of the opening; writes count from 1. */
const OPENING_ID = 0;
/** Numbers of keepalives, above those of writes. */
const PINGS_FROM = 1_000_000;
const READ_CHANCE = 200;
const RETRY_MS_MIN = 10;
const RETRY_MS_MAX = 150;
/** Per mille: that the next session is opened on the connection on which the last one was ended. */
const SAME_LINK_CHANCE = 500;

/**
 * A provider that knows the rules of docs/protocol.md and nothing of the SDK: one session, kept by
 * pings, with numbered writes that go with it from node to node. It writes down what it does and is
 * told.
 */
export class Provider {
  readonly name: string;
  readonly #options: ProviderOptions;
  readonly #reader: Reader;
  #life = new Life();
  #link: Link | null = null;
  #session = "";
  #secret = "";
  #attach = 0;
  #isOpened = false;
  /** On this connection the session is confirmed. */
  #isReady = false;
  #isQuiet = false;
  #isFrozen = false;
  #endsTold = 0;
  #writes: Writes;
  #acknowledgedBefore = 0;
  /** Of the opening in the history; null before it is sent. */
  #opening: number | null = null;
  /** Of the resumption that waits for an answer. */
  #resumption: number | null = null;
  #ids = PINGS_FROM;
  readonly #pings = new Map<number, number>();
  #confirmedMs = 0;
  #lineage: string | null = null;
  #floorRevision = 0;

  constructor(options: ProviderOptions) {
    this.name = options.name;
    this.#options = options;
    this.#reader = new Reader({
      ...{ ...options, client: options.name },
      onShown: (shown) => options.work.shown(shown),
    });
    this.#writes = this.#newSession();
  }

  get acknowledged(): number {
    return this.#acknowledgedBefore + this.#writes.acknowledged;
  }

  /** How often it was told that its session is over. */
  get endsTold(): number {
    return this.#endsTold;
  }

  get reads(): number {
    return this.#reader.answered;
  }

  /** It has a session, which is confirmed on the connection that it has now. */
  get isConfirmed(): boolean {
    return this.#isReady && !this.#life.isOver;
  }

  /** Everything that it has asked for is answered. */
  get isSettled(): boolean {
    return this.#life.isOver || (this.#isReady && this.#writes.isIdle);
  }

  start(): void {
    this.#connect();
    this.#operateLater();
    this.#keepaliveLater();
  }

  /** No new writes; those that wait go on, and so do reads. */
  quiesce(): void {
    this.#isQuiet = true;
  }

  /** Its process is killed, and its kernel closes the socket. */
  kill(): void {
    this.#isFrozen = false;
    this.#dropLink();
    this.#life.end();
    this.#abandon();
  }

  /**
   * It stands still: does nothing, and reads nothing. Where its end is closed, its session has a grace
   * to live, otherwise its TTL.
   */
  freeze(isClosing: boolean): void {
    this.#isFrozen = true;
    if (isClosing) this.#dropLink();
    else this.#link?.pause();
  }

  /** It goes on where it was, with the session that it had, for all that it knows. */
  thaw(): void {
    if (!this.#isFrozen) return;
    this.#isFrozen = false;
    if (this.#link === null) this.#reconnect();
    else this.#link.resume();
  }

  /** The connection from its own port is about to be reset by whoever is between; its node hears it. */
  wasReset(port: number): void {
    if (this.#link?.port === port) this.#closed();
  }

  /** Another process in its place. */
  revive(): void {
    if (!this.#life.isOver) return;
    this.#life = new Life();
    this.#acknowledgedBefore += this.#writes.acknowledged;
    this.#writes = this.#newSession();
    this.start();
  }

  /** `firstId`: of requests; the answers to those of before may be on their way. */
  #newSession(firstId = 1): Writes {
    const { prng, recorder, name, work, isOnce } = this.#options;
    this.#abandon();
    this.#session = prng.hex(32);
    this.#secret = prng.hex(32);
    this.#attach = 0;
    this.#isOpened = false;
    this.#isReady = false;
    const session = this.#session;
    work.begun(session);
    const writes: Writes = new Writes({
      ...{ recorder, prng, client: name, session, isOnce, firstId },
      onSettled: (wish, outcome) => {
        if (this.#writes === writes) work.settled(wish, outcome);
      },
    });
    return writes;
  }

  #abandon(): void {
    if (this.#opening === null) return;
    this.#options.recorder.record({ type: "abandoned", session: this.#session });
    this.#opening = null;
  }

  /** The session is over, or left: another one, on another connection. */
  #beginAgain(): void {
    this.#dropLink();
    this.#renew();
    this.#connect();
  }

  #renew(): void {
    this.#acknowledgedBefore += this.#writes.acknowledged;
    this.#writes.giveUp();
    this.#writes = this.#newSession(this.#writes.nextId);
  }

  /** After a goodbye. */
  #beginAnew(link: Link): void {
    this.#options.count("sessions ended by goodbye");
    if (!this.#options.prng.chance(SAME_LINK_CHANCE)) {
      this.#beginAgain();
      return;
    }
    this.#renew();
    this.#attach += 1;
    this.#open(link);
  }

  /** Its connection is gone, or no good. */
  #reconnect(): void {
    if (this.#isFrozen) return;
    if (this.#options.isOnce && this.#opening !== null) this.#beginAgain();
    else this.#connect();
  }

  #connect(): void {
    if (this.#isFrozen || this.#life.isOver) return;
    const { prng, urls } = this.#options;
    this.#dropLink();
    this.#isReady = false;
    this.#attach += 1;
    const ofLink =
      <Args extends readonly unknown[]>(run: (link: Link, ...args: Args) => void) =>
      (...args: Args): void => {
        if (this.#link === link) run(link, ...args);
      };
    const link: Link = new Link(prng.pick(urls), prng.pick(ENCODINGS), {
      onOpen: ofLink((opened) => this.#hello(opened)),
      onMessage: ofLink((from, message: Message) => this.#receive(from, message)),
      onStrange: (what) => this.#options.onStrange(`${this.name}: ${what}`),
      onGone: ofLink((gone) => this.#gone(gone)),
    });
    this.#link = link;
    this.#pings.clear();
    this.#reader.forget();
    this.#confirmedMs = this.#options.clock.nowMs;
  }

  #gone(link: Link): void {
    this.#closed();
    this.#link = null;
    this.#isReady = false;
    const { prng } = this.#options;
    this.#life.later(prng.below(RECONNECT_MS_MAX), () => {
      if (this.#link === null || this.#link === link) this.#reconnect();
    });
  }

  #dropLink(): void {
    const link = this.#link;
    if (link === null) return;
    this.#closed();
    this.#link = null;
    link.close();
  }

  /** Its own end; whatever its node knows of it. */
  #closed(): void {
    if (this.#opening === null) return;
    const [session, attach] = [this.#session, this.#attach];
    this.#options.recorder.record({ type: "closed", session, attach });
  }

  #hello(link: Link): void {
    const { recorder, name } = this.#options;
    const [id, secret, attach] = [this.#session, this.#secret, this.#attach];
    if (this.#isOpened) {
      this.#resumption = recorder.invoke(name, { kind: "touch", session: id, attach });
    }
    link.send({
      ...{ type: "hello", versions: [1], client: { name, version: "1", language: "bare" } },
      ...(this.#isOpened && { session: { id, secret, attach } }),
      ...(this.#lineage !== null && { revision: this.#floorRevision, lineage: this.#lineage }),
    });
  }

  #receive(link: Link, message: Message): void {
    switch (message.type) {
      case "welcome":
        this.#lineage = String(message["lineage"]);
        if (!this.#isOpened) this.#open(link);
        return;
      case "session":
        this.#sessionState(message);
        return;
      case "reply":
        this.#reply(link, message);
        return;
      case "pong":
        this.#pong(message);
        return;
      case "goaway":
        this.#life.later(
          this.#options.prng.below(1 + (integerOf(message["spreadMs"]) ?? 0)),
          () => {
            if (this.#link === link) this.#reconnect();
          },
        );
        return;
      default:
        // A newer node may say more.
        return;
    }
  }

  #open(link: Link): void {
    const { recorder, name, ttlMs, graceMs } = this.#options;
    const [id, secret, attach] = [this.#session, this.#secret, this.#attach];
    if (this.#opening === null) {
      this.#opening = recorder.invoke(name, { kind: "open", session: id, ttlMs, graceMs });
    } else {
      recorder.record({ type: "again", op: this.#opening });
    }
    link.send({
      ...{ type: "open", id: OPENING_ID, session: { id, secret, attach } },
      ...{ ttlMs, graceMs, timeoutMs: OPEN_TIMEOUT_MS },
    });
  }

  #reply(link: Link, reply: Message): void {
    this.#seen(integerOf(reply["revision"]));
    if (integerOf(reply["id"]) === OPENING_ID) {
      this.#opened(link, reply);
      return;
    }
    if (this.#reader.replied(reply)) return;
    const writes = this.#writes;
    const outcome = writes.replied(link, reply);
    if (outcome === "left") this.#beginAnew(link);
    if (outcome === "over") {
      this.#told("unknown", integerOf(reply["revision"]) ?? this.#floorRevision);
      this.#beginAgain();
    }
    if (typeof outcome === "object") {
      this.#soon(() => {
        if (this.#writes === writes) writes.sendOneAgain(this.#link, outcome.again);
      });
    }
  }

  #opened(link: Link, reply: Message): void {
    const { recorder } = this.#options;
    if (reply["ok"] === true) {
      // It may be the answer to an attempt before, and says nothing of this connection.
      if (!this.#isOpened && this.#opening !== null) {
        recorder.record({ type: "ok", op: this.#opening, revision: integerOf(reply["revision"]) });
      }
      this.#isOpened = true;
      this.#ready();
    } else if (isSessionOver(codeOf(reply))) {
      // An id whose session has come and gone, unseen by its client, is not used again.
      this.#beginAgain();
    } else {
      this.#soon(() => {
        if (this.#link !== link || this.#isOpened) return;
        if (this.#options.isOnce) this.#beginAgain();
        else this.#open(link);
      });
    }
  }

  #sessionState(message: Message): void {
    const revision = integerOf(message["revision"]);
    this.#seen(revision);
    // Of one before on the same connection.
    if (message["id"] !== this.#session) return;
    switch (message["state"]) {
      case "unconfirmed":
        return;
      case "resumed":
        if (this.#resumption !== null) {
          this.#options.recorder.record({ type: "ok", op: this.#resumption, revision });
          this.#resumption = null;
        }
        this.#ready();
        return;
      case "expired":
        this.#told(String(message["reason"]), revision ?? this.#floorRevision);
        // The answer to the goodbye is still to come, where this is the connection that said it.
        if (!this.#isReady || !this.#writes.isLeaving) this.#beginAgain();
        return;
      default:
        this.#options.onStrange(`${this.name} is denied its session, though it has counted up`);
    }
  }

  #told(reason: string, revision: number): void {
    const isSaid = reason === "closed" && this.#writes.isLeaving;
    if (!isSaid) this.#endsTold += 1;
    if (!isSaid && (reason === "closed" || reason === "killed")) {
      this.#options.onStrange(`${this.name} is told that its session was ${reason}`);
    }
    if (this.#opening === null) return;
    const session = this.#session;
    this.#options.recorder.record({ type: "toldEnd", session, reason, revision });
  }

  #ready(): void {
    this.#isReady = true;
    this.#confirmedMs = this.#options.clock.nowMs;
    this.#writes.sendAgain(this.#link);
  }

  #operateLater(): void {
    const { prng, operationMs } = this.#options;
    this.#life.later(prng.between(1, operationMs * 2), () => {
      if (!this.#isFrozen) this.#operate();
      this.#operateLater();
    });
  }

  #operate(): void {
    const { work, prng } = this.#options;
    const link = this.#link;
    if (!this.#isQuiet && this.#isReady && this.#writes.hasRoom) {
      const wish = work.next();
      if (wish !== null) this.#writes.ask(link, wish);
    }
    if (link !== null && prng.chance(READ_CHANCE)) this.#read(link);
  }

  #read(link: Link): void {
    const { work, prng, applications } = this.#options;
    const selector = work.looksAt ?? selectorOfApplication(prng.pick(applications));
    this.#reader.read(link, selector, this.#floorRevision);
  }

  #keepaliveLater(): void {
    const { recorder, clock, ttlMs, name } = this.#options;
    const periodMs = Math.floor(ttlMs / 3);
    this.#life.later(periodMs, () => {
      const link = this.#link;
      if (this.#isFrozen) {
        // Its time goes on.
      } else if (link === null || clock.nowMs - this.#confirmedMs > this.#patienceMs) {
        this.#reconnect();
      } else if (this.#isReady) {
        this.#ids += 1;
        const [session, attach] = [this.#session, this.#attach];
        this.#pings.set(this.#ids, recorder.invoke(name, { kind: "touch", session, attach }));
        link.send({ type: "ping", id: this.#ids });
      }
      this.#keepaliveLater();
    });
  }

  /** A connection is given up that has confirmed nothing for longer. */
  get #patienceMs(): number {
    return (this.#isReady ? 2 : 1.5) * Math.floor(this.#options.ttlMs / 3);
  }

  #pong(pong: Message): void {
    const id = integerOf(pong["id"]) ?? 0;
    const op = this.#pings.get(id);
    this.#pings.delete(id);
    const revision = integerOf(pong["revision"]);
    this.#seen(revision);
    if (op === undefined || pong["confirmed"] !== true) return;
    this.#confirmedMs = this.#options.clock.nowMs;
    this.#options.recorder.record({ type: "ok", op, revision });
  }

  #soon(run: () => void): void {
    this.#life.later(this.#options.prng.between(RETRY_MS_MIN, RETRY_MS_MAX), () => {
      if (this.#isFrozen) this.#soon(run);
      else run();
    });
  }

  #seen(revision: number | null): void {
    this.#floorRevision = Math.max(this.#floorRevision, revision ?? 0);
  }
}
