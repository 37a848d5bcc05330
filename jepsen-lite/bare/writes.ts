import type { WriteCall } from "../history.ts";
import type { Prng } from "../prng.ts";
import type { Recorder } from "../recorder.ts";
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
import type { Outcome, Wish } from "./work.ts";

interface Numbered {
  readonly op: number;
  readonly seq: number;
  readonly wish: Wish;
  /** Some attempt has no definite end, so it may happen whatever is said of the others. */
  isDoubtful: boolean;
}

export interface WritesOptions {
  readonly recorder: Recorder;
  readonly prng: Prng;
  readonly client: string;
  readonly session: string;
  readonly firstId: number;
  /** Each write is sent once, and given up where it is not answered. */
  readonly isOnce: boolean;
  readonly onSettled: (wish: Wish, outcome: Outcome) => void;
}

const TIMEOUT_MS = 2_000;
const UNANSWERED_MAX = 8;
/** Per mille: of one sent in vain. */
const AGAIN_CHANCE = 60;
/** Of a write that was refused: it is given up, and its number never comes again. */
const GIVEN_UP_CHANCE = 200;

/**
 * `over`: the session is no more. `left`: its client has said goodbye, and has done with it. `again`:
 * that number is to be sent once more, a while later.
 */
export type Replied = "done" | "over" | "left" | { readonly again: number };

/** The numbered writes of one session, sent again until they are answered or given up. */
export class Writes {
  readonly #options: WritesOptions;
  #nextSeq = 1;
  /** Of requests: a new one for each attempt, and what it was an attempt at. */
  #nextId: number;
  readonly #attempts = new Map<number, Numbered>();
  #waiting: Numbered[] = [];
  /** Answered or given up; an answer to another copy may come. */
  readonly #over = new Map<number, Numbered>();
  #acknowledged = 0;

  constructor(options: WritesOptions) {
    this.#options = options;
    this.#nextId = options.firstId;
  }

  get nextId(): number {
    return this.#nextId;
  }

  get acknowledged(): number {
    return this.#acknowledged;
  }

  get isIdle(): boolean {
    return this.#waiting.length === 0;
  }

  get hasRoom(): boolean {
    return this.#waiting.length < UNANSWERED_MAX && !this.isLeaving;
  }

  /** It has said that the session is over: nothing comes behind that. */
  get isLeaving(): boolean {
    return this.#waiting.at(-1)?.wish.type === "bye";
  }

  ask(link: Link | null, wish: Wish): void {
    const { recorder, client, session } = this.#options;
    const seq = this.#nextSeq;
    this.#nextSeq += 1;
    const call = { kind: "write", session, seq, ...changesOf(wish) } as const;
    const operation: Numbered = { op: recorder.invoke(client, call), seq, wish, isDoubtful: false };
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

  /** Nobody waits for an answer any more. */
  giveUp(): void {
    const { recorder, onSettled } = this.#options;
    for (const { op, wish } of this.#waiting) {
      recorder.record({ type: "info", op, code: "CONNECTION_LOST" });
      onSettled(wish, { type: "unknown" });
    }
    this.#waiting = [];
  }

  replied(link: Link | null, reply: Message): Replied {
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
      this.#options.onSettled(operation.wish, { type: "ok", revision });
      if (operation.wish.type === "bye") return "left";
      // As a copy that comes late does; it is answered as it was, or not at all.
      const { prng, isOnce } = this.#options;
      if (!isOnce && prng.chance(AGAIN_CHANCE)) this.#repeat(link, operation);
      return "done";
    }
    return this.#refused(operation, codeOf(reply), revision, isFirst);
  }

  #refused(operation: Numbered, code: string, revision: number | null, isFirst: boolean): Replied {
    const { recorder, prng, isOnce, onSettled } = this.#options;
    const { op, wish } = operation;
    if (isSessionOver(code)) {
      this.#finish(operation);
      const isKnown = !operation.isDoubtful && isFirst;
      recorder.record(isKnown ? { type: "fail", op, code, revision } : { type: "info", op, code });
      return "over";
    }
    if (isDecided(code)) {
      this.#finish(operation);
      recorder.record({ type: "fail", op, code, revision });
      if (isFirst) onSettled(wish, { type: "refused", code });
      return "done";
    }
    if (!isFirst) return "done";
    operation.isDoubtful ||= isIndefinite(code);
    if (!isOnce && !prng.chance(GIVEN_UP_CHANCE)) return { again: operation.seq };
    this.#finish(operation);
    const { isDoubtful } = operation;
    recorder.record(
      isDoubtful ? { type: "info", op, code } : { type: "fail", op, code, revision: null },
    );
    onSettled(wish, isDoubtful ? { type: "unknown" } : { type: "refused", code });
    return wish.type === "bye" ? "left" : "done";
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
    const { seq, wish } = operation;
    const low = Math.min(seq, this.#waiting[0]?.seq ?? seq);
    const id = this.#nextId;
    this.#nextId += 1;
    this.#attempts.set(id, operation);
    link?.send({ ...bodyOf(wish), type: wish.type, id, seq, low, timeoutMs: TIMEOUT_MS });
  }
}

function changesOf(wish: Wish): Omit<WriteCall, "kind" | "session" | "seq"> {
  const put = (instance: Endpoint): WriteCall["puts"][number] => ({
    key: keyOf(instance),
    content: contentOf(instance),
    meta: metaOf(instance),
  });
  switch (wish.type) {
    case "register":
      return { puts: wish.instances.map(put), removes: [] };
    case "deregister":
      return { puts: [], removes: wish.keys.map(keyOf) };
    case "update":
      return { puts: [put(wish.instance)], removes: [], update: { ifRevision: wish.ifRevision } };
    default:
      return { puts: [], removes: [], isBye: true };
  }
}

function bodyOf(wish: Wish): object {
  switch (wish.type) {
    case "register":
      return { instances: wish.instances };
    case "deregister":
      return { keys: wish.keys };
    case "update": {
      const { namespace, application, protocol, addr, ...set } = wish.instance;
      const key = { namespace, application, protocol, addr };
      return { key, set, ...(wish.ifRevision !== null && { ifRevision: wish.ifRevision }) };
    }
    default:
      return {};
  }
}
