import { ERRORS } from "../../src/errors.ts";
import type { ClientOutput, RequestId, SessionState } from "../../src/replica/inputs.ts";
import { ClientLink } from "./link.ts";
import { SimProcess } from "./sim-process.ts";
import { SimReader } from "./sim-reader.ts";
import { SimWrites } from "./sim-writes.ts";
import { demand } from "./violation.ts";
import type { World } from "./world.ts";

const REQUEST_TIMEOUT_MS = 1_500;
/** Numbers of keepalives, above those of writes. */
const PINGS_FROM = 1_000_000;
const READ_CHANCE = 50;
const SELECTORS = ["a", "b"].map((application) => ({
  namespace: "default",
  application,
  protocol: null,
  meta: [],
}));

/**
 * A provider that knows the rules of the protocol and nothing of the SDK: one session, kept by
 * pings, with numbered writes that go with it from node to node. It writes down what it does and is
 * told, and judges nothing.
 */
export class SimClient {
  readonly name: string;
  readonly #world: World;
  readonly #process: SimProcess;
  readonly #reader: SimReader;
  #link: ClientLink | null = null;
  #session = "";
  #secretHash = "";
  #attach = 0;
  #isOpened = false;
  /** Whether `open` was sent in this session; until it is answered it is sent again. */
  #isReady = false;
  #isAlive = true;
  #isQuiet = false;
  #writes: SimWrites;
  #acknowledgedBefore = 0;
  /** Sessions that it opened, and has left. */
  readonly #left: string[] = [];
  /** Of the opening in the history; null before it is sent. */
  #opening: number | null = null;
  /** Of the resumption that waits for an answer. */
  #resumption: number | null = null;
  #requests = PINGS_FROM;
  #pings = new Map<RequestId, number>();
  #lastPongMs = 0;
  #floorRevision = 0;

  constructor(name: string, world: World) {
    this.name = name;
    this.#world = world;
    this.#process = new SimProcess(world.schedule);
    this.#reader = new SimReader(world, name);
    this.#writes = this.#newSession();
  }

  get acknowledged(): number {
    return this.#acknowledgedBefore + this.#writes.acknowledged;
  }

  get reads(): number {
    return this.#reader.answered;
  }

  /** Its sessions of before that have not ended yet. */
  get ghosts(): readonly string[] {
    return this.#left.filter((session) => !this.#world.hasEnded(session));
  }

  /** For the message of a run that does not settle. */
  get describe(): string {
    const seqs = this.#writes.waiting.join(",");
    return `${this.name}{ready ${this.#isReady}, opened ${this.#isOpened}, attach ${this.#attach}, waits [${seqs}]}`;
  }

  /** One that stands still may not know yet what it was told. */
  get isSettled(): boolean {
    const isAnswered = this.#isReady && this.#writes.waiting.length === 0;
    return !this.#isAlive || (!this.#process.isPaused && isAnswered);
  }

  start(): void {
    this.#connect();
    this.#operateLater();
    this.#keepaliveLater();
  }

  /** The process is killed: its sockets are closed by the kernel. */
  kill(): void {
    this.#dropLink();
    this.#gone();
  }

  /** Its machine is gone: nobody closes anything. */
  vanish(): void {
    this.#gone();
    this.#link?.abandon();
    this.#link = null;
  }

  revive(): void {
    if (!this.#isAlive) {
      this.#isAlive = true;
      this.#writes = this.#newSession();
      this.start();
    }
  }

  /** Its process stands still: what arrives and what is due wait. */
  pause(forMs: number): void {
    if (this.#isAlive) {
      this.#process.pause(forMs);
    }
  }

  /** It looks for another node. */
  reconnect(): void {
    if (this.#isAlive) {
      this.#process.awake(() => this.#connect());
    }
  }

  /** No new operations; those that wait go on. */
  quiesce(): void {
    this.#isQuiet = true;
  }

  /** The network between it and its node is gone; neither end is told. */
  cut(): void {
    this.#link?.cut();
  }

  #gone(): void {
    this.#isAlive = false;
    this.#process.die();
    this.#abandon();
  }

  #abandon(): void {
    if (this.#opening !== null) {
      this.#world.recorder.record({ type: "abandoned", session: this.#session });
      this.#opening = null;
      if (this.#isOpened) {
        this.#left.push(this.#session);
      }
    }
  }

  #newSession(): SimWrites {
    const { prng } = this.#world;
    this.#abandon();
    this.#session = prng.hex(32);
    this.#secretHash = prng.hex(64);
    this.#attach = 0;
    this.#isOpened = false;
    this.#isReady = false;
    return new SimWrites(this.#world, this.name, this.#session);
  }

  /** The session is over: another one, on another connection. */
  #beginAgain(): void {
    this.#acknowledgedBefore += this.#writes.acknowledged;
    this.#dropLink();
    this.#writes = this.#newSession();
    this.#connect();
  }

  #connect(): void {
    const { prng, recorder, schedule } = this.#world;
    this.#dropLink();
    const link: ClientLink | null = ClientLink.dial(this.#world, this.#floorRevision, {
      onOutput: (output) =>
        this.#process.awake(() => this.#of(link, (open) => this.#receive(open, output))),
      onBroken: () => this.#process.awake(() => this.#of(link, () => this.#connect())),
    });
    if (link === null) {
      this.#process.later(prng.between(20, 200), () => this.#connect());
      return;
    }
    this.#attach += 1;
    this.#link = link;
    this.#isReady = false;
    this.#lastPongMs = schedule.nowMs;
    this.#pings.clear();
    this.#reader.forget();
    if (this.#isOpened) {
      const [session, secretHash, attach] = [this.#session, this.#secretHash, this.#attach];
      this.#resumption = recorder.invoke(this.name, { kind: "touch", session, attach });
      link.send({ type: "attach", session, secretHash, attach });
    } else {
      this.#open();
    }
  }

  #open(): void {
    const { recorder } = this.#world;
    const { ttlMs, graceMs } = this.#world.options;
    const session = this.#session;
    if (this.#opening === null) {
      this.#opening = recorder.invoke(this.name, { kind: "open", session, ttlMs, graceMs });
    } else {
      recorder.record({ type: "again", op: this.#opening });
    }
    this.#link?.send({
      type: "open",
      request: 0,
      session,
      secretHash: this.#secretHash,
      attach: this.#attach,
      ttlMs,
      graceMs,
      client: this.name,
      timeoutMs: REQUEST_TIMEOUT_MS,
    });
  }

  #dropLink(): void {
    if (this.#link !== null) {
      if (this.#link.isOpen && this.#opening !== null) {
        const [session, attach] = [this.#session, this.#attach];
        this.#world.recorder.record({ type: "closed", session, attach });
      }
      this.#link.close();
      this.#link = null;
    }
  }

  #receive(link: ClientLink, output: ClientOutput): void {
    switch (output.type) {
      case "writeReply": {
        const { request, reply } = output;
        this.#seen(reply.revision);
        if (request === 0) {
          this.#opened(reply.ok, reply.revision);
        } else if (this.#writes.replied(link, request, reply)) {
          this.#told("unknown", reply.revision);
          this.#beginAgain();
        }
        break;
      }
      case "refused":
        this.#reader.refused(output.request);
        this.#refused(output.request, output.refusal.code);
        break;
      case "sessionState":
        this.#sessionState(output.state);
        break;
      case "pong":
        this.#pong(output.request, output.confirmed, output.revision);
        break;
      case "readReply":
        this.#seen(output.answer.revision);
        this.#reader.reply(link, output.request, output.answer);
        break;
      default:
        break;
    }
  }

  #sessionState(state: SessionState): void {
    switch (state.state) {
      case "unconfirmed":
        break;
      case "resumed":
        this.#seen(state.revision);
        if (this.#resumption !== null) {
          const { revision } = state;
          this.#world.recorder.record({ type: "ok", op: this.#resumption, revision });
          this.#resumption = null;
        }
        this.#ready();
        break;
      case "expired":
        this.#seen(state.revision);
        this.#told(state.reason, state.revision);
        this.#beginAgain();
        break;
      case "denied":
        demand(false, () => `${this.name} is denied its session, though it has counted up`);
        break;
    }
  }

  #told(reason: string, revision: number): void {
    if (this.#opening !== null) {
      const session = this.#session;
      this.#world.recorder.record({ type: "toldEnd", session, reason, revision });
    }
  }

  #ready(): void {
    this.#isReady = true;
    this.#writes.sendAgain(this.#link);
  }

  #opened(ok: boolean, revision: number): void {
    if (!ok) {
      this.#beginAgain();
      return;
    }
    if (!this.#isOpened && this.#opening !== null) {
      // It may be the answer to an attempt before, and says nothing of this connection.
      this.#world.recorder.record({ type: "ok", op: this.#opening, revision });
    }
    this.#isOpened = true;
    this.#ready();
  }

  #refused(request: RequestId, code: keyof typeof ERRORS): void {
    const { prng } = this.#world;
    if (request !== 0) {
      const [writes, delayMs] = [this.#writes, prng.between(10, 100)];
      if (writes.refused(request, code, ERRORS[code].definite)) {
        this.#process.later(delayMs, () => {
          if (this.#writes === writes) writes.sendAgain(this.#link);
        });
      }
    } else if (code === "SESSION_EXPIRED") {
      // An id whose session has come and gone, unseen by its client, is not used again.
      this.#beginAgain();
    } else {
      this.#process.later(prng.between(10, 100), () => this.#open());
    }
  }

  #operateLater(): void {
    const { prng, options } = this.#world;
    this.#process.later(prng.between(1, options.operationMs * 2), () => {
      if (!this.#isQuiet && this.#isReady && this.#writes.hasRoom) {
        this.#writes.operate(this.#link);
      }
      if (this.#link !== null && prng.chance(READ_CHANCE)) {
        this.#read(this.#link);
      }
      this.#operateLater();
    });
  }

  #read(link: ClientLink): void {
    this.#reader.read(link, this.#world.prng.pick(SELECTORS), this.#floorRevision);
  }

  #keepaliveLater(): void {
    const { options, recorder, schedule } = this.#world;
    const periodMs = Math.floor(options.ttlMs / 3);
    this.#process.later(periodMs, () => {
      if (schedule.nowMs - this.#lastPongMs > periodMs * 2 || !this.#isReady) {
        this.#connect();
      } else {
        this.#requests += 1;
        const request = this.#requests;
        const [session, attach] = [this.#session, this.#attach];
        this.#pings.set(request, recorder.invoke(this.name, { kind: "touch", session, attach }));
        this.#link?.send({ type: "ping", request });
      }
      this.#keepaliveLater();
    });
  }

  #pong(request: RequestId, confirmed: boolean, revision: number): void {
    const op = this.#pings.get(request);
    this.#pings.delete(request);
    this.#seen(revision);
    if (op !== undefined && confirmed) {
      this.#lastPongMs = this.#world.schedule.nowMs;
      this.#world.recorder.record({ type: "ok", op, revision });
    }
  }

  #seen(revision: number): void {
    this.#floorRevision = Math.max(this.#floorRevision, revision);
  }

  #of(link: ClientLink | null, run: (link: ClientLink) => void): void {
    if (link !== null && this.#link === link) {
      run(link);
    }
  }
}
