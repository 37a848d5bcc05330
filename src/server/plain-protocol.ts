import type { CloseReason, Timer } from "../env/env.ts";
import { ERRORS, type Refusal } from "../errors.ts";
import {
  CALL_TIMEOUT_MS_DEFAULT,
  GRACE_MS_DEFAULT,
  OVERLOADED_RETRY_AFTER_MS,
  PLAIN_PING_MS,
  REQUESTS_PER_CONNECTION_MAX,
  SESSION_ID_BYTES,
  SESSION_SECRET_BYTES_MIN,
  TTL_MS_DEFAULT,
} from "../limits.ts";
import type { Selector } from "../registry/instance.ts";
import type {
  AgeMs,
  ClientOutput,
  ConnectionId,
  WatchId,
  WriteCommand,
} from "../replica/inputs.ts";
import { checkPlainRequest } from "../schema/client-message.ts";
import { unreachable } from "../util/assert.ts";
import { jsonCodec, type Part } from "../wire/client-codec.ts";
import { toInstanceKey, toInstanceSpec, toSelector } from "../wire/endpoint.ts";
import type { PlainAnswer, PlainSubscribe } from "../wire/messages.ts";
import { encodePlainPush } from "../wire/node-encoder.ts";
import type { ClientChannel, ClientHost, ClientProtocol } from "./client-protocol.ts";
import { CLOSE } from "./peer-handshake.ts";
import { hashSecret, toErrorBody } from "./translate.ts";

/** Close codes with which a client says that it is leaving: it will not come back for its session. */
const LEAVING: ReadonlySet<number> = new Set([1000, 1001, 1005]);

/** The first registration opens the session, and those that come meanwhile wait for it. */
type SessionState = "none" | "opening" | "open";

/** A request in the order of its arrival. */
interface Slot {
  answer: PlainAnswer | null;
  /** Run when all earlier ones are answered; it answers at once. */
  readonly atHead: (() => PlainAnswer) | null;
}

interface PlainWatch {
  /** The place in the list of its request. */
  readonly position: number;
  readonly selector: Selector;
  /** The watch whose list of unknown age this one's first list replaces. */
  readonly replaces: WatchId | null;
}

type PlainWrite = (numbers: { readonly seq: number; readonly floor: number }) => WriteCommand;

/**
 * JSON without `type`, hello or numbers (design section 4, "Plain mode"), so that any WebSocket
 * client in any language registers and subscribes with one frame. The node does here what the SDK
 * does elsewhere: it holds the session, numbers the writes and keeps the session by pings.
 */
export class PlainProtocol implements ClientProtocol {
  readonly messagesPerFrameMax = 1;
  readonly #host: ClientHost;
  readonly #channel: ClientChannel;
  readonly #connection: ConnectionId;
  readonly #slots: Slot[] = [];
  readonly #waitingWrites: { readonly slot: Slot; readonly write: PlainWrite }[] = [];
  /** By request number: 0 is the opening, then each write has its own. */
  readonly #written = new Map<number, Slot>();
  readonly #watches = new Map<WatchId, PlainWatch>();
  /** Watches that push a list of unknown age, each with one behind it that will not. */
  readonly #ageless = new Set<WatchId>();
  readonly #sessionId: string;
  readonly #secretHash: string;
  #session: SessionState = "none";
  #lastSeq = 0;
  #lastWatch: WatchId = 0;
  #entryCount = 0;
  #pinger: Timer | null = null;
  #leaving: (() => void) | null = null;

  constructor(host: ClientHost, channel: ClientChannel) {
    this.#host = host;
    this.#channel = channel;
    this.#connection = channel.connect(0);
    this.#sessionId = hex(host.random.bytes(SESSION_ID_BYTES));
    this.#secretHash = hashSecret(hex(host.random.bytes(SESSION_SECRET_BYTES_MIN)));
  }

  receive(value: unknown): void {
    if (this.#slots.length >= REQUESTS_PER_CONNECTION_MAX) {
      if (this.#slots.length >= 2 * REQUESTS_PER_CONNECTION_MAX) {
        this.#channel.close(CLOSE.overloaded, "OVERLOADED: the answers are not awaited");
        return;
      }
      this.#answerInTurn(
        refusalAnswer({
          code: "OVERLOADED",
          message: `${REQUESTS_PER_CONNECTION_MAX} requests of this connection wait (REQUESTS_PER_CONNECTION_MAX)`,
          limit: REQUESTS_PER_CONNECTION_MAX,
          retryAfterMs: OVERLOADED_RETRY_AFTER_MS,
        }),
      );
      return;
    }
    const checked = checkPlainRequest(value);
    if (!checked.ok) {
      this.#answerInTurn(refusalAnswer(checked.refusal));
      return;
    }
    const { request: message } = checked;
    if ("subscribes" in message) {
      this.#addSlot({ answer: null, atHead: () => this.#subscribe(message) });
    } else if ("unregister" in message) {
      const keys = [toInstanceKey(message.unregister)];
      this.#write((numbers) => ({ type: "deregister", ...numbers, keys }));
    } else {
      const instances = [toInstanceSpec(message)];
      this.#write((numbers) => ({ type: "register", ...numbers, instances }));
    }
  }

  /** Answers go out in the order of the requests (`#advance`); only pushes are written as they come. */
  accept(output: ClientOutput): boolean {
    switch (output.type) {
      case "snapshot":
        this.#lookAtAge(output.watch, output.body.ageMs);
        return true;
      case "writeReply": {
        const { request, reply } = output;
        const { revision } = reply;
        this.#settled(
          request,
          reply.ok ? { ok: true, version: this.#version(revision) } : refusalAnswer(reply),
        );
        return false;
      }
      case "refused":
        this.#settled(output.request, refusalAnswer(output.refusal));
        return false;
      case "sessionState":
        this.#sessionOver(`SESSION_EXPIRED: the session is ${output.state.state}`);
        return false;
      case "delta":
      case "mark":
      case "pong":
      case "readReply":
        return false;
      default:
        return unreachable(output);
    }
  }

  render(output: ClientOutput): Part | null {
    const watch = output.type === "snapshot" ? this.#watches.get(output.watch) : undefined;
    return output.type !== "snapshot" || watch === undefined
      ? null
      : encodePlainPush(this.#version(output.body.revision), watch.position, output.body);
  }

  ponged(): void {
    if (this.#session === "open") {
      this.#host.step({ type: "ping", connection: this.#connection, request: null });
    }
  }

  goAway(): void {
    // A plain client knows no such message; the close at the end of the drain tells it.
  }

  /**
   * A client that closes in due form has ended, and nobody else knows the session's secret: it ends
   * at once rather than after its grace. The replica forgets the connection when that is applied.
   */
  closed(reason: CloseReason, done: () => void): void {
    this.#pinger?.cancel();
    if (this.#session !== "open" || !reason.byPeer || !LEAVING.has(reason.code)) {
      done();
      return;
    }
    this.#leaving = done;
    this.#lastSeq += 1;
    const seq = this.#lastSeq;
    this.#host.step({
      type: "write",
      connection: this.#connection,
      request: seq,
      command: { type: "closeSession", seq, floor: this.#floor(seq) },
      timeoutMs: CALL_TIMEOUT_MS_DEFAULT,
    });
    this.#written.set(seq, { answer: null, atHead: null });
  }

  #write(write: PlainWrite): void {
    const slot: Slot = { answer: null, atHead: null };
    this.#slots.push(slot);
    if (this.#session === "open") {
      this.#stepWrite(slot, write);
      return;
    }
    this.#waitingWrites.push({ slot, write });
    if (this.#session === "none") {
      this.#open();
    }
  }

  #open(): void {
    this.#session = "opening";
    this.#host.step({
      type: "open",
      connection: this.#connection,
      request: 0,
      session: this.#sessionId,
      secretHash: this.#secretHash,
      attach: 1,
      ttlMs: TTL_MS_DEFAULT,
      graceMs: GRACE_MS_DEFAULT,
      client: `plain ${this.#channel.remote}`,
      timeoutMs: CALL_TIMEOUT_MS_DEFAULT,
    });
  }

  #stepWrite(slot: Slot, write: PlainWrite): void {
    this.#lastSeq += 1;
    const seq = this.#lastSeq;
    this.#written.set(seq, slot);
    this.#host.step({
      type: "write",
      connection: this.#connection,
      request: seq,
      command: write({ seq, floor: this.#floor(seq) }),
      timeoutMs: CALL_TIMEOUT_MS_DEFAULT,
    });
  }

  /** The lowest write without an answer; numbers are set in rising order. */
  #floor(seq: number): number {
    for (const unanswered of this.#written.keys()) {
      return unanswered;
    }
    return seq;
  }

  #settled(request: number, answer: PlainAnswer): void {
    if (request === 0) {
      this.#opened(answer);
      return;
    }
    const slot = this.#written.get(request);
    this.#written.delete(request);
    if (this.#leaving !== null) {
      if (request === this.#lastSeq) {
        this.#leaving();
      }
      return;
    }
    if (slot !== undefined) {
      slot.answer = answer;
      this.#advance();
    }
    this.#endWithSession(answer);
  }

  #opened(answer: PlainAnswer): void {
    const waiting = this.#waitingWrites.splice(0);
    if (answer.ok) {
      this.#session = "open";
      this.#pinger ??= this.#host.timers.every(PLAIN_PING_MS, () => this.#channel.ping());
      for (const { slot, write } of waiting) {
        this.#stepWrite(slot, write);
      }
      return;
    }
    // The next registration opens again, with the same id: should this opening still happen, that
    // one finds the session that it asks for.
    this.#session = "none";
    for (const { slot } of waiting) {
      slot.answer = answer;
    }
    this.#advance();
    this.#endWithSession(answer);
  }

  #endWithSession(answer: PlainAnswer): void {
    if (!answer.ok && answer.error.code.startsWith("SESSION_")) {
      this.#sessionOver(`${answer.error.code}: ${ERRORS[answer.error.code].doc}`);
    }
  }

  /** It has nothing registered any more and does not know it; a new connection starts afresh. */
  #sessionOver(reason: string): void {
    this.#session = "none";
    this.#channel.close(CLOSE.policy, `${reason}; connect and register again`);
  }

  #subscribe(message: PlainSubscribe): PlainAnswer {
    const limit = this.#host.watchCountMax;
    if (this.#entryCount + message.subscribes.length > limit) {
      return refusalAnswer({
        code: "LIMIT",
        message: `at most ${limit} watches a connection (WATCHES_PER_CONNECTION_MAX)`,
        field: "subscribes",
        limit,
      });
    }
    message.subscribes.forEach((body, position) => {
      this.#entryCount += 1;
      this.#watch({ position, selector: toSelector(body), replaces: null });
    });
    return { ok: true, version: this.#version(this.#host.revision()) };
  }

  #watch(watch: PlainWatch): void {
    this.#lastWatch += 1;
    this.#watches.set(this.#lastWatch, watch);
    this.#host.step({
      type: "subscribe",
      connection: this.#connection,
      watch: this.#lastWatch,
      selector: watch.selector,
      from: null,
      mode: "full",
      allowUnknownAge: watch.replaces === null,
    });
  }

  /**
   * A plain client cannot ask elsewhere as the SDK does, so a list of unknown age is better than
   * none, and says what it is. Behind it waits a second watch, which begins when the node has caught
   * up with a leader: else the label would stay until the next change, perhaps for ever.
   */
  #lookAtAge(id: WatchId, ageMs: AgeMs): void {
    const watch = this.#watches.get(id);
    if (watch === undefined) {
      return;
    }
    if (ageMs === null && !this.#ageless.has(id)) {
      this.#ageless.add(id);
      this.#watch({ ...watch, replaces: id });
    }
    if (watch.replaces !== null && this.#watches.delete(watch.replaces)) {
      this.#ageless.delete(watch.replaces);
      this.#host.step({
        type: "unsubscribe",
        connection: this.#connection,
        watch: watch.replaces,
      });
    }
  }

  #answerInTurn(answer: PlainAnswer): void {
    this.#addSlot({ answer, atHead: null });
  }

  #addSlot(slot: Slot): void {
    this.#slots.push(slot);
    this.#advance();
  }

  #advance(): void {
    for (let slot = this.#slots[0]; slot !== undefined; slot = this.#slots[0]) {
      const answer = slot.answer ?? slot.atHead?.() ?? null;
      if (answer === null) {
        return;
      }
      this.#slots.shift();
      this.#channel.send(jsonCodec.encode(answer));
    }
  }

  #version(revision: number): string {
    return `${this.#host.lineage}.${revision}`;
  }
}

function refusalAnswer(refusal: Refusal): PlainAnswer {
  return { ok: false, error: toErrorBody(refusal) };
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}
