import type { Prng } from "../prng.ts";
import type { Recorder } from "../recorder.ts";
import { type DrawnKey, drawKeys, type KeySpace } from "../workload.ts";
import type { Link } from "./link.ts";
import {
  codeOf,
  contentOf,
  type Endpoint,
  integerOf,
  isDecided,
  isIndefinite,
  isSessionOver,
  keyOf,
  type Message,
  metaOf,
} from "./messages.ts";

interface Numbered {
  readonly op: number;
  readonly seq: number;
  readonly body: Readonly<Record<string, unknown>>;
  /** Some attempt has no definite end, so it may happen whatever is said of the others. */
  isDoubtful: boolean;
}

export interface WritesOptions {
  readonly recorder: Recorder;
  readonly prng: Prng;
  readonly client: string;
  readonly session: string;
  readonly applications: readonly string[];
}

const TIMEOUT_MS = 2_000;
const UNANSWERED_MAX = 8;
const ADDRESSES = 6;
/** Per mille: of a key that all clients write, of a removal, of one sent in vain. */
const SHARED_CHANCE = 200;
const REMOVAL_CHANCE = 250;
const AGAIN_CHANCE = 60;
/** Of a write that was refused: it is given up, and its number never comes again. */
const GIVEN_UP_CHANCE = 200;

/** The numbered writes of one session, sent again until they are answered or given up. */
export class Writes {
  readonly #options: WritesOptions;
  readonly #space: KeySpace;
  #nextSeq = 1;
  /** Of requests: a new one for each attempt, and what it was an attempt at. */
  #nextId = 1;
  readonly #attempts = new Map<number, Numbered>();
  #waiting: Numbered[] = [];
  /** Answered or given up; an answer to another copy may come. */
  readonly #over = new Map<number, Numbered>();
  #acknowledged = 0;

  constructor(options: WritesOptions) {
    const { client, applications } = options;
    this.#options = options;
    this.#space = { client, applications, addresses: ADDRESSES, sharedChance: SHARED_CHANCE };
  }

  get acknowledged(): number {
    return this.#acknowledged;
  }

  get isIdle(): boolean {
    return this.#waiting.length === 0;
  }

  get hasRoom(): boolean {
    return this.#waiting.length < UNANSWERED_MAX;
  }

  operate(link: Link | null): void {
    const { prng, recorder, client, session } = this.#options;
    const seq = this.#nextSeq;
    this.#nextSeq += 1;
    const keys = drawKeys(prng, this.#space);
    const isRemoval = prng.chance(REMOVAL_CHANCE);
    const instances = isRemoval ? [] : keys.map((key, i) => this.#instance(key, `${seq}.${i}`));
    const puts = instances.map((instance) => ({
      key: keyOf(instance),
      content: contentOf(instance),
      meta: metaOf(instance),
    }));
    const removes = isRemoval ? keys.map(keyOf) : [];
    const operation: Numbered = {
      op: recorder.invoke(client, { kind: "write", session, seq, puts, removes }),
      seq,
      isDoubtful: false,
      body: isRemoval ? { type: "deregister", keys } : { type: "register", instances },
    };
    this.#waiting.push(operation);
    this.#send(link, operation);
  }

  /** On a new connection: the attempts before are still on their way, for all that is known. */
  sendAgain(link: Link | null): void {
    for (const operation of this.#waiting) {
      operation.isDoubtful = true;
      this.#repeat(link, operation);
    }
  }

  /** One that was refused, on the same connection. */
  sendOneAgain(link: Link | null, seq: number): void {
    const operation = this.#waiting.find((each) => each.seq === seq);
    if (operation !== undefined) this.#repeat(link, operation);
  }

  /** `over`: the session is no more. `again`: that number is to be sent once more, a while later. */
  replied(link: Link | null, reply: Message): "done" | "over" | { readonly again: number } {
    const id = integerOf(reply["id"]) ?? 0;
    const operation = this.#attempts.get(id);
    if (operation === undefined) return "done";
    this.#attempts.delete(id);
    const isFirst = !this.#over.has(operation.seq);
    const revision = integerOf(reply["revision"]);
    if (reply["ok"] === true) {
      this.#finish(operation);
      this.#options.recorder.record({ type: "ok", op: operation.op, revision });
      if (!isFirst) return "done";
      this.#acknowledged += 1;
      // As a copy that comes late does; it is answered as it was, or not at all.
      if (this.#options.prng.chance(AGAIN_CHANCE)) this.#repeat(link, operation);
      return "done";
    }
    return this.#refused(operation, codeOf(reply), revision, isFirst);
  }

  #refused(
    operation: Numbered,
    code: string,
    revision: number | null,
    isFirst: boolean,
  ): "done" | "over" | { readonly again: number } {
    const { recorder, prng } = this.#options;
    const { op } = operation;
    if (isSessionOver(code)) {
      this.#finish(operation);
      const isKnown = !operation.isDoubtful && isFirst;
      recorder.record(isKnown ? { type: "fail", op, code, revision } : { type: "info", op, code });
      return "over";
    }
    if (isDecided(code)) {
      this.#finish(operation);
      recorder.record({ type: "fail", op, code, revision });
      return "done";
    }
    if (!isFirst) return "done";
    operation.isDoubtful ||= isIndefinite(code);
    if (!prng.chance(GIVEN_UP_CHANCE)) return { again: operation.seq };
    this.#finish(operation);
    recorder.record(
      operation.isDoubtful
        ? { type: "info", op, code }
        : { type: "fail", op, code, revision: null },
    );
    return "done";
  }

  #finish(operation: Numbered): void {
    this.#waiting = this.#waiting.filter((other) => other !== operation);
    this.#over.set(operation.seq, operation);
  }

  #repeat(link: Link | null, operation: Numbered): void {
    if (link === null || !link.isOpen) return;
    this.#options.recorder.record({ type: "again", op: operation.op });
    this.#send(link, operation);
  }

  #send(link: Link | null, operation: Numbered): void {
    const { seq, body } = operation;
    const low = Math.min(seq, this.#waiting[0]?.seq ?? seq);
    const id = this.#nextId;
    this.#nextId += 1;
    this.#attempts.set(id, operation);
    link?.send({ ...body, type: String(body["type"]), id, seq, low, timeoutMs: TIMEOUT_MS });
  }

  /** Each content is unlike all others, so that it tells who wrote it. */
  #instance(key: DrawnKey, value: string): Endpoint {
    const tag = this.#options.prng.pick(["read", "write"]);
    const meta = { tag, value: `${this.#options.session}-${value}` };
    return { ...key, meta, weight: 100, status: "up" };
  }
}
