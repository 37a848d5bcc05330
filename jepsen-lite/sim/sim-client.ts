import { ERRORS, type ErrorCode } from "../../src/errors.ts";
import type { InstanceKey, InstanceSpec } from "../../src/registry/instance.ts";
import type { ClientOutput, SessionState, WriteCommand } from "../../src/replica/inputs.ts";
import { content, keyOf } from "./canon.ts";
import { LeaseWitness } from "./lease-witness.ts";
import { ClientLink } from "./link.ts";
import { SimProcess } from "./sim-process.ts";
import { demand } from "./violation.ts";
import type { World } from "./world.ts";

interface Operation {
  readonly seq: number;
  readonly key: string;
  /** What the key holds once it is done; null where it holds nothing. */
  readonly after: string | null;
  readonly command: (seq: number, floor: number) => WriteCommand;
  /** Some attempt has no definite end, so it may happen whatever is said of the others. */
  isDoubtful: boolean;
}

/** What a key may hold: more than one where the outcome of a write is not known. */
type Possible = { readonly seq: number; readonly after: string | null }[];

const REQUEST_TIMEOUT_MS = 1_500;
const UNANSWERED_MAX = 4;
const ADDRESSES = 3;

/**
 * A provider that knows the rules of the protocol and nothing of the SDK: one session, numbered
 * writes, sent again in order on another node until they are answered, some given up by raising the
 * floor. It keeps what each of its keys may hold, for the final look.
 */
export class SimClient {
  readonly name: string;
  readonly #world: World;
  #link: ClientLink | null = null;
  #session = "";
  #secretHash = "";
  #attach = 0;
  #isOpened = false;
  /** Whether `open` was sent in this session; until it is answered it is sent again. */
  #isReady = false;
  #isAlive = true;
  #isQuiet = false;
  #nextSeq = 1;
  #operations: Operation[] = [];
  #requests = 0;
  #pings = new Map<number, number>();
  #lastPongMs = 0;
  /** Of the first `open` of this session; a later one may be answered by what became of it. */
  #openSentMs: number | null = null;
  #attachSentMs = 0;
  #floorRevision = 0;
  #values = 0;
  #acknowledged = 0;
  readonly #process: SimProcess;
  #possible = new Map<string, Possible>();
  #lease: LeaseWitness;

  constructor(name: string, world: World) {
    this.name = name;
    this.#world = world;
    this.#process = new SimProcess(world.schedule);
    this.#lease = new LeaseWitness(world, name);
    this.#newSession();
    world.onSessionEnded((session, reason) => {
      this.#lease.ended(session, reason);
    });
  }

  get acknowledged(): number {
    return this.#acknowledged;
  }

  /** Keys of the current session by what they may hold; null while that cannot be told. */
  get expectation(): ReadonlyMap<string, ReadonlySet<string | null>> | null {
    if (!this.#isAlive || !this.isSettled) {
      return null;
    }
    const contents = (possible: Possible) => new Set(possible.map(({ after }) => after));
    return new Map([...this.#possible].map(([key, possible]) => [key, contents(possible)]));
  }

  /** For the message of a run that does not settle. */
  get describe(): string {
    const seqs = this.#operations.map(({ seq }) => seq).join(",");
    return `${this.name}{ready ${this.#isReady}, opened ${this.#isOpened}, attach ${this.#attach}, waits [${seqs}]}`;
  }

  /** One that stands still may not know yet what it was told. */
  get isSettled(): boolean {
    const isAnswered = this.#isReady && this.#operations.length === 0;
    return !this.#isAlive || (!this.#process.isPaused && isAnswered);
  }

  start(): void {
    this.#connect();
    this.#operateLater();
    this.#keepaliveLater();
  }

  /** The process is killed: its sockets are closed by the kernel. */
  kill(): void {
    this.#gone();
    this.#dropLink();
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
      this.#newSession();
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
  }

  #newSession(): void {
    const { prng } = this.#world;
    this.#session = prng.hex(32);
    this.#secretHash = prng.hex(64);
    this.#attach = 0;
    this.#openSentMs = null;
    this.#isOpened = false;
    this.#isReady = false;
    this.#nextSeq = 1;
    this.#operations = [];
    this.#possible = new Map();
    this.#lease.opened(this.#session);
  }

  #connect(): void {
    const { prng, schedule } = this.#world;
    this.#dropLink();
    const link: ClientLink | null = ClientLink.dial(this.#world, this.#floorRevision, {
      onOutput: (output) => this.#process.awake(() => this.#of(link, () => this.#receive(output))),
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
    if (this.#isOpened) {
      this.#attachSentMs = schedule.nowMs;
      const [session, secretHash, attach] = [this.#session, this.#secretHash, this.#attach];
      link.send({ type: "attach", session, secretHash, attach });
    } else {
      this.#open();
    }
  }

  #open(): void {
    const { options, schedule } = this.#world;
    this.#openSentMs ??= schedule.nowMs;
    this.#link?.send({
      type: "open",
      request: 0,
      session: this.#session,
      secretHash: this.#secretHash,
      attach: this.#attach,
      ttlMs: options.ttlMs,
      graceMs: options.graceMs,
      client: this.name,
      timeoutMs: REQUEST_TIMEOUT_MS,
    });
  }

  #dropLink(): void {
    if (this.#link !== null) {
      this.#lease.closed(this.#attach);
      this.#link.close();
      this.#link = null;
    }
  }

  #receive(output: ClientOutput): void {
    switch (output.type) {
      case "writeReply":
        this.#seen(output.reply.revision);
        this.#replied(output.request, output.reply.ok, output.reply.ok ? "" : output.reply.code);
        break;
      case "refused":
        if (output.request === 0) {
          this.#notOpened(output.refusal.code);
        } else {
          this.#refused(output.request, ERRORS[output.refusal.code].definite);
        }
        break;
      case "sessionState":
        this.#sessionState(output.state);
        break;
      case "pong":
        this.#pong(output.request, output.confirmed);
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
        this.#lease.confirmed(this.#attachSentMs, this.#attach);
        this.#ready();
        break;
      case "expired":
        this.#newSession();
        this.#connect();
        break;
      case "denied":
        demand(false, () => `${this.name} is denied its session, though it has counted up`);
        break;
    }
  }

  #ready(): void {
    this.#isReady = true;
    this.#sendAgain();
  }

  /** The attempts before are still on their way, for all that is known. */
  #sendAgain(): void {
    for (const operation of this.#operations) {
      operation.isDoubtful = true;
      this.#send(operation);
    }
  }

  #replied(request: number, ok: boolean, code: string): void {
    if (request === 0) {
      if (ok) {
        this.#isOpened = true;
        // It may be the answer to an attempt before, and says nothing of this connection.
        this.#lease.confirmed(this.#openSentMs ?? 0, 0);
        this.#ready();
      } else {
        this.#newSession();
        this.#connect();
      }
      return;
    }
    const operation = this.#operations.find(({ seq }) => seq === request);
    if (operation === undefined) {
      return;
    }
    this.#operations = this.#operations.filter((other) => other !== operation);
    if (ok) {
      this.#acknowledged += 1;
      const possible = this.#possible.get(operation.key) ?? [];
      this.#possible.set(
        operation.key,
        possible.filter(({ seq }) => seq >= operation.seq),
      );
    } else if (code === "SESSION_EXPIRED" || code === "SESSION_UNKNOWN") {
      this.#newSession();
      this.#connect();
    }
  }

  /** An id whose session has come and gone, unseen by its client, is not used again. */
  #notOpened(code: ErrorCode): void {
    if (code === "SESSION_EXPIRED") {
      this.#newSession();
      this.#connect();
      return;
    }
    this.#process.later(this.#world.prng.between(10, 100), () => this.#open());
  }

  /** Nothing was decided: the same number goes again, or is given up for good. */
  #refused(request: number, isDefinite: boolean): void {
    const { prng } = this.#world;
    const operation = this.#operations.find(({ seq }) => seq === request);
    if (operation === undefined) {
      return;
    }
    operation.isDoubtful ||= !isDefinite;
    if (prng.chance(200)) {
      this.#operations = this.#operations.filter((other) => other !== operation);
      if (!operation.isDoubtful && operation.after !== null) {
        this.#world.never(operation.key, operation.after);
      }
      return;
    }
    this.#process.later(prng.between(10, 100), () => this.#sendAgain());
  }

  #send(operation: Operation): void {
    const floor = this.#operations[0]?.seq ?? operation.seq;
    this.#link?.send({
      type: "write",
      request: operation.seq,
      command: operation.command(operation.seq, floor),
      timeoutMs: REQUEST_TIMEOUT_MS,
    });
  }

  #operateLater(): void {
    const { prng, options } = this.#world;
    this.#process.later(prng.between(1, options.operationMs * 2), () => {
      if (!this.#isQuiet && this.#isReady && this.#operations.length < UNANSWERED_MAX) {
        this.#operate();
      }
      this.#operateLater();
    });
  }

  #operate(): void {
    const { prng } = this.#world;
    const seq = this.#nextSeq;
    this.#nextSeq += 1;
    const key: InstanceKey = {
      namespace: "default",
      application: prng.pick(["a", "b"]),
      protocol: "http",
      addr: `${this.name}.example:${1000 + prng.below(ADDRESSES)}`,
    };
    const session = this.#session;
    const operation = prng.chance(250)
      ? this.#deregister(seq, key)
      : this.#register(seq, session, key);
    const possible = this.#possible.get(operation.key) ?? [{ seq: 0, after: null }];
    possible.push({ seq, after: operation.after });
    this.#possible.set(operation.key, possible);
    this.#operations.push(operation);
    this.#send(operation);
  }

  #register(seq: number, session: string, key: InstanceKey): Operation {
    this.#values += 1;
    const spec: InstanceSpec = {
      ...key,
      meta: [
        ["tag", this.#world.prng.pick(["read", "write"])],
        ["value", `${session}-${this.#values}`],
      ],
      weight: 100,
      version: null,
      location: null,
      status: "up",
      reason: null,
      isPersistent: false,
    };
    const after = content({
      ...spec,
      session,
      createdRevision: 0,
      modifiedRevision: 0,
      createdAtMs: 0,
      modifiedAtMs: 0,
    });
    return {
      seq,
      key: keyOf(key),
      after,
      isDoubtful: false,
      command: (number, floor) => ({ type: "register", seq: number, floor, instances: [spec] }),
    };
  }

  #deregister(seq: number, key: InstanceKey): Operation {
    return {
      seq,
      key: keyOf(key),
      after: null,
      isDoubtful: false,
      command: (number, floor) => ({ type: "deregister", seq: number, floor, keys: [key] }),
    };
  }

  #keepaliveLater(): void {
    const { prng, options, schedule } = this.#world;
    const periodMs = Math.floor(options.ttlMs / 3);
    this.#process.later(periodMs, () => {
      if (schedule.nowMs - this.#lastPongMs > periodMs * 2 || !this.#isReady) {
        this.#connect();
      } else {
        this.#requests += 1;
        const request = 1_000_000 + this.#requests;
        this.#pings.set(request, schedule.nowMs);
        this.#link?.send({ type: "ping", request });
      }
      this.#keepaliveLater();
    });
    prng.below(2);
  }

  #pong(request: number, confirmed: boolean): void {
    const sentMs = this.#pings.get(request);
    this.#pings.delete(request);
    if (sentMs !== undefined && confirmed) {
      this.#lastPongMs = this.#world.schedule.nowMs;
      this.#lease.confirmed(sentMs, this.#attach);
    }
  }

  #seen(revision: number): void {
    this.#floorRevision = Math.max(this.#floorRevision, revision);
    this.#world.told(revision);
  }

  #of(link: ClientLink | null, run: () => void): void {
    if (this.#link === link) {
      run();
    }
  }
}
