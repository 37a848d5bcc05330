import type { CloseReason } from "../env/env.ts";
import type { Refusal } from "../errors.ts";
import {
  CLIENT_FRAME_BYTES_MAX,
  GRACE_MS_DEFAULT,
  MESSAGES_PER_FRAME_MAX,
  OVERLOADED_RETRY_AFTER_MS,
  REQUESTS_PER_CONNECTION_MAX,
  TTL_MS_DEFAULT,
  TTL_MS_MAX,
  TTL_MS_MIN,
} from "../limits.ts";
import type { ClientOutput, ConnectionId } from "../replica/inputs.ts";
import { checkClientMessage } from "../schema/client-message.ts";
import { unreachable } from "../util/assert.ts";
import type { ClientCodec, Part } from "../wire/client-codec.ts";
import { toSelector } from "../wire/endpoint.ts";
import {
  type ClientMessage,
  type Hello,
  type Open,
  PROTOCOL_VERSION,
  type ReplyMessage,
  type SessionMessage,
  type Subscribe,
  type Unsubscribe,
  type Welcome,
} from "../wire/messages.ts";
import type { ClientChannel, ClientHost, ClientProtocol } from "./client-protocol.ts";
import { CLOSE } from "./peer-handshake.ts";
import {
  encodeOutput,
  hashSecret,
  toConsistency,
  toRefusal,
  toTimeoutMs,
  toWriteCommand,
} from "./translate.ts";

/** Refusals and answers that may wait for a client that does not read. */
const WAITING_MAX = 4 * REQUESTS_PER_CONNECTION_MAX;

/** Messages with a `type`: the SDK's protocol, in JSON or MessagePack (`docs/protocol.md`). */
export class TypedProtocol implements ClientProtocol {
  readonly messagesPerFrameMax = MESSAGES_PER_FRAME_MAX;
  readonly #host: ClientHost;
  readonly #channel: ClientChannel;
  readonly #codec: ClientCodec;
  /** Null before the hello. */
  #connection: ConnectionId | null = null;
  #client = "";
  /** Requests without an answer on its way. */
  readonly #inFlight = new Set<number>();
  readonly #watches = new Set<number>();
  #lastWatch = 0;

  constructor(host: ClientHost, channel: ClientChannel, codec: ClientCodec) {
    this.#host = host;
    this.#channel = channel;
    this.#codec = codec;
  }

  receive(value: unknown): void {
    if (this.#channel.waiting > WAITING_MAX) {
      this.#channel.close(CLOSE.overloaded, "OVERLOADED: the answers are not read");
      return;
    }
    const checked = checkClientMessage(value);
    if (!checked.ok) {
      this.#refuseOrClose(checked.id, checked.refusal);
      return;
    }
    const { message } = checked;
    if (message.type === "hello") {
      this.#hello(message);
    } else if (this.#connection === null) {
      this.#channel.close(CLOSE.policy, `PROTOCOL: ${message.type} before hello`);
    } else {
      this.#message(this.#connection, message);
    }
  }

  accept(): boolean {
    return true;
  }

  render(output: ClientOutput): Part | null {
    switch (output.type) {
      case "writeReply":
      case "readReply":
      case "refused":
      case "pong":
        this.#inFlight.delete(output.request);
        break;
      case "snapshot":
      case "delta":
        if (!this.#watches.has(output.watch)) {
          return null;
        }
        break;
      case "sessionState":
      case "mark":
        break;
      default:
        unreachable(output);
    }
    return encodeOutput(this.#codec, output);
  }

  ponged(): void {}

  goAway(reason: string, addresses: readonly string[], spreadMs: number): void {
    this.#channel.send(this.#codec.encode({ type: "goaway", reason, addresses, spreadMs }));
  }

  closed(_reason: CloseReason, done: () => void): void {
    done();
  }

  #hello(hello: Hello): void {
    if (this.#connection !== null) {
      this.#channel.close(CLOSE.policy, "PROTOCOL: a second hello");
      return;
    }
    if (!hello.versions.includes(PROTOCOL_VERSION)) {
      const spoken = hello.versions.join(", ");
      this.#channel.close(
        CLOSE.policy,
        `VERSION: this node speaks ${PROTOCOL_VERSION}, the client ${spoken}`,
      );
      return;
    }
    const { lineage } = this.#host;
    const refusal = hello.lineage === undefined ? null : this.#host.refusalOf(hello.lineage);
    if (refusal !== null) {
      this.#channel.close(CLOSE.goingAway, refusal);
      return;
    }
    // A revision of another lineage says nothing here, and would hold up every answer.
    const floorRevision = hello.lineage === lineage ? (hello.revision ?? 0) : 0;
    const connection = this.#channel.connect(floorRevision);
    this.#connection = connection;
    this.#client = `${hello.client.name} ${hello.client.version} (${hello.client.language})`;
    this.#channel.send(this.#codec.encode(this.#welcome()));
    if (hello.session !== undefined) {
      const { id, secret, attach } = hello.session;
      if (hello.lineage !== undefined && hello.lineage !== lineage) {
        this.#channel.send(this.#codec.encode(this.#ofOtherLineage(id)));
        return;
      }
      const secretHash = hashSecret(secret);
      this.#host.step({ type: "attach", connection, session: id, secretHash, attach });
    }
  }

  /**
   * A session that was kept by a restore has none of what its client wrote since the backup, and its
   * numbers begin anew; the client would go on with them. What it owns stays until it is registered
   * again in a session of this lineage, or until the TTL is over.
   */
  #ofOtherLineage(id: string): SessionMessage {
    const revision = this.#host.revision();
    return { type: "session", id, state: "expired", reason: "unknown", revision };
  }

  #welcome(): Welcome {
    return {
      type: "welcome",
      protocol: PROTOCOL_VERSION,
      node: this.#host.nodeName,
      leader: this.#host.leaderName(),
      members: this.#host.members(),
      lineage: this.#host.lineage,
      revision: this.#host.revision(),
      limits: {
        frameBytesMax: CLIENT_FRAME_BYTES_MAX,
        requestsInFlightMax: REQUESTS_PER_CONNECTION_MAX,
        ttlMsMin: TTL_MS_MIN,
        ttlMsMax: TTL_MS_MAX,
      },
    };
  }

  #message(connection: ConnectionId, message: Exclude<ClientMessage, Hello>): void {
    if (message.type === "ack") {
      this.#host.step({ type: "ack", connection, revision: message.revision });
      return;
    }
    const refusal = this.#notNow(message.id);
    if (refusal !== null) {
      this.#refuse(message.id, refusal);
      return;
    }
    switch (message.type) {
      case "open":
        this.#open(connection, message);
        break;
      case "register":
      case "update":
      case "deregister":
      case "bye": {
        this.#inFlight.add(message.id);
        const command = toWriteCommand(message);
        const timeoutMs = toTimeoutMs(message.timeoutMs);
        this.#host.step({ type: "write", connection, request: message.id, command, timeoutMs });
        break;
      }
      case "get": {
        this.#inFlight.add(message.id);
        this.#host.step({
          type: "read",
          connection,
          request: message.id,
          selector: toSelector(message.selector),
          consistency: toConsistency(message.read),
          timeoutMs: toTimeoutMs(message.timeoutMs),
        });
        break;
      }
      case "subscribe":
        this.#subscribe(connection, message);
        break;
      case "unsubscribe":
        this.#unsubscribe(connection, message);
        break;
      case "ping":
        this.#inFlight.add(message.id);
        this.#host.step({ type: "ping", connection, request: message.id });
        break;
      default:
        unreachable(message);
    }
  }

  #notNow(id: number): Refusal | null {
    if (this.#inFlight.has(id)) {
      const message = `request ${id} of this connection has no answer yet`;
      return { code: "PROTOCOL", message, field: "id" };
    }
    if (this.#inFlight.size >= REQUESTS_PER_CONNECTION_MAX) {
      return {
        code: "OVERLOADED",
        message: `${REQUESTS_PER_CONNECTION_MAX} requests of this connection wait (REQUESTS_PER_CONNECTION_MAX)`,
        limit: REQUESTS_PER_CONNECTION_MAX,
        retryAfterMs: OVERLOADED_RETRY_AFTER_MS,
      };
    }
    return null;
  }

  #open(connection: ConnectionId, message: Open): void {
    const ttlMs = message.ttlMs ?? TTL_MS_DEFAULT;
    const graceMs = message.graceMs ?? Math.min(GRACE_MS_DEFAULT, ttlMs);
    this.#inFlight.add(message.id);
    this.#host.step({
      type: "open",
      connection,
      request: message.id,
      session: message.session.id,
      secretHash: hashSecret(message.session.secret),
      attach: message.session.attach,
      ttlMs,
      graceMs,
      client: this.#client,
      timeoutMs: toTimeoutMs(message.timeoutMs),
    });
  }

  /** The numbers of the watches are told before anything that carries them. */
  #subscribe(connection: ConnectionId, message: Subscribe): void {
    const limit = this.#host.watchCountMax;
    if (this.#watches.size + message.subscribes.length > limit) {
      this.#refuse(message.id, {
        code: "LIMIT",
        message: `at most ${limit} watches a connection (WATCHES_PER_CONNECTION_MAX)`,
        field: "subscribes",
        limit,
      });
      return;
    }
    const watches = message.subscribes.map(() => {
      this.#lastWatch += 1;
      this.#watches.add(this.#lastWatch);
      return this.#lastWatch;
    });
    this.#reply({
      type: "reply",
      id: message.id,
      ok: true,
      revision: this.#host.revision(),
      watches,
    });
    message.subscribes.forEach((body, position) => {
      const watch = watches[position];
      if (watch !== undefined) {
        this.#host.step({
          type: "subscribe",
          connection,
          watch,
          selector: toSelector(body),
          from: message.from ?? null,
          mode: message.mode ?? "delta",
          allowUnknownAge: message.allowUnknownAge ?? false,
        });
      }
    });
  }

  #unsubscribe(connection: ConnectionId, message: Unsubscribe): void {
    const { id, watch } = message;
    if (!this.#watches.delete(watch)) {
      const text = `this connection has no watch ${watch}`;
      this.#refuse(id, { code: "NOT_FOUND", message: text, field: "watch" });
      return;
    }
    this.#host.step({ type: "unsubscribe", connection, watch });
    this.#reply({ type: "reply", id, ok: true, revision: this.#host.revision() });
  }

  #refuseOrClose(id: number | null, refusal: Refusal): void {
    if (id === null || this.#connection === null) {
      this.#channel.close(CLOSE.policy, `${refusal.code}: ${refusal.message}`);
    } else {
      this.#refuse(id, refusal);
    }
  }

  #refuse(id: number, refusal: Refusal): void {
    this.#reply(toRefusal(id, refusal));
  }

  #reply(reply: ReplyMessage): void {
    this.#channel.send(this.#codec.encode(reply));
  }
}
