import type { Refusal } from "../errors.ts";
import type { LogIndex } from "../raft/types.ts";
import type { Command, Outcome, SessionCommand } from "../registry/command.ts";
import type { Registry } from "../registry/registry.ts";
import { unreachable } from "../util/assert.ts";
import type { Attachments } from "./attachments.ts";
import type { CommandCodec } from "./command-codec.ts";
import {
  type BoundSession,
  type Connection,
  type Connections,
  type Emit,
  toClient,
} from "./connections.ts";
import type { ClientInput, RequestId, WriteCommand } from "./inputs.ts";
import type { Now } from "./now.ts";
import type { PendingWrite, Write } from "./pending-write.ts";
import type { Proposals } from "./proposals.ts";
import type { Reads } from "./reads.ts";
import type { Watches } from "./watches.ts";

interface Parts {
  readonly registry: Registry;
  readonly connections: Connections;
  readonly proposals: Proposals;
  readonly reads: Reads;
  readonly attachments: Attachments;
  readonly watches: Watches;
  readonly codec: CommandCodec;
  readonly emit: Emit;
  readonly lastApplied: () => LogIndex;
  /** Why the registry takes no commands of that type now; null where it does. */
  readonly refusalOf: (type: Command["type"]) => Refusal | null;
}

type InputOf<T extends ClientInput["type"]> = Extract<ClientInput, { readonly type: T }>;

/** What clients ask of this node, handed to the part that does it. */
export class ClientRequests {
  readonly #parts: Parts;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  step(input: ClientInput, now: Now): void {
    const nowMs = now.monotonicMs;
    const { connections, attachments, watches } = this.#parts;
    if (input.type === "connected") {
      connections.add(input.connection, input.floorRevision, nowMs);
      return;
    }
    const connection = connections.get(input.connection);
    if (connection === undefined) {
      return;
    }
    switch (input.type) {
      case "disconnected":
        this.#disconnected(connection, input.byClient, nowMs);
        break;
      case "open":
        this.#open(connection, input, nowMs);
        break;
      case "attach":
        this.#attach(connection, input, nowMs);
        break;
      case "write":
        this.#write(connection, input, nowMs);
        break;
      case "read": {
        const { request, selector, consistency, timeoutMs } = input;
        const deadlineMs = nowMs + timeoutMs;
        const read = { connection, request, selector, consistency, deadlineMs };
        this.#parts.reads.add(read, nowMs);
        break;
      }
      case "subscribe":
        watches.subscribe(connection, input.watch, input, nowMs);
        break;
      case "unsubscribe":
        watches.unsubscribe(connection.id, input.watch);
        break;
      case "ack":
        connection.ackedRevision = Math.max(connection.ackedRevision, input.revision);
        break;
      case "ping":
        attachments.ping(connection, input.request, nowMs);
        break;
      case "writable":
        watches.setWritable(connection, input.isWritable, nowMs);
        break;
      default:
        unreachable(input);
    }
  }

  /** A command of the log: answers who sent it, if it came through this node. */
  applied(command: Command, outcome: Outcome, now: Now): void {
    const pending = this.#answered(command, outcome);
    if (pending === null || outcome.type !== "applied") {
      return;
    }
    const { connection } = pending;
    const bound = connection.session;
    if (bound?.id !== pending.session) {
      return;
    }
    if (!outcome.reply.ok) {
      if (command.type === "openSession" && !bound.isVerified) {
        connection.session = null;
      }
    } else if (command.type === "openSession") {
      this.#opened(connection, bound, now.monotonicMs);
    } else if (command.type === "closeSession") {
      connection.session = null;
      connection.endedSession = command.session;
    }
  }

  /** The session has ended in the state: the openings of it that wait here will not be. */
  ended(session: string): void {
    for (const { connection } of this.#parts.proposals.ended(session)) {
      if (connection.session?.id === session && !connection.session.isVerified) {
        connection.session = null;
        connection.endedSession = session;
      }
    }
  }

  /**
   * The state has leapt to that of a snapshot. Of a session that ended on the way no reply counts:
   * its writes go to the leader once more, and the log says what became of them.
   */
  installed(registry: Registry, now: Now): void {
    const { proposals, attachments, watches } = this.#parts;
    const answered = proposals.installed(({ session: id, seq, secretHash }) => {
      const session = registry.session(id);
      if (session === null || session.ending !== null) {
        return null;
      }
      return secretHash === null || secretHash === session.secretHash ? session.reply(seq) : null;
    });
    for (const { connection, session, seq } of answered) {
      if (seq === 0 && connection.session?.id === session) {
        this.#opened(connection, connection.session, now.monotonicMs);
      }
    }
    attachments.installed(now.monotonicMs);
    watches.installed(now.monotonicMs);
  }

  #opened(connection: Connection, bound: BoundSession, nowMs: number): void {
    this.#parts.attachments.opened(connection, bound, nowMs);
    this.#parts.proposals.released();
  }

  #answered(command: Command, outcome: Outcome): PendingWrite | null {
    const { proposals } = this.#parts;
    switch (command.type) {
      case "openSession":
        return proposals.applied(command.session, 0, command.secretHash, outcome);
      case "register":
      case "update":
      case "deregister":
      case "closeSession":
        return proposals.applied(command.session, command.seq, null, outcome);
      case "expireSessions":
      case "reapSession":
      case "raiseStateVersion":
        return null;
      default:
        return unreachable(command);
    }
  }

  #disconnected(connection: Connection, byClient: boolean, nowMs: number): void {
    const { connections, proposals, attachments, watches } = this.#parts;
    connection.isOpen = false;
    proposals.disconnected(connection.id);
    watches.disconnected(connection.id);
    attachments.disconnected(connection, byClient, nowMs);
    connections.remove(connection.id);
  }

  #open(connection: Connection, input: InputOf<"open">, nowMs: number): void {
    const { session, secretHash, attach, ttlMs, graceMs, client, request } = input;
    if (connection.session !== null && connection.session.id !== session) {
      this.#refuse(connection, request, {
        code: "PROTOCOL",
        message: "this connection speaks for another session already; open a connection a session",
        field: "session.id",
      });
      return;
    }
    if (this.#parts.attachments.isDenied(session, secretHash)) {
      this.#refuse(connection, request, {
        code: "DENIED",
        message: "the session id belongs to another secret",
      });
      return;
    }
    if (this.#parts.registry.ended(session) !== null) {
      connection.endedSession = session;
      this.#refuse(connection, request, {
        code: "SESSION_EXPIRED",
        message: "the session has ended, and its id is not used again",
      });
      return;
    }
    connection.session ??= { id: session, secretHash, attach, isVerified: false };
    connection.endedSession = null;
    const encodeAgain = (): Uint8Array =>
      this.#parts.codec.encode({
        type: "openSession",
        session,
        secretHash,
        ttlMs,
        graceMs,
        appliedIndex: this.#parts.lastApplied(),
        client,
      });
    const opening: Write = {
      session,
      seq: 0,
      secretHash,
      connection,
      request,
      floor: 0,
      bytes: encodeAgain(),
      encodeAgain,
      deadlineMs: nowMs + input.timeoutMs,
    };
    this.#parts.proposals.add(opening, this.#parts.refusalOf("openSession"));
  }

  #attach(connection: Connection, input: InputOf<"attach">, nowMs: number): void {
    if (connection.session !== null) {
      return;
    }
    const { session, secretHash, attach } = input;
    const bound: BoundSession = { id: session, secretHash, attach, isVerified: false };
    this.#parts.attachments.attach(connection, bound, nowMs);
  }

  #write(connection: Connection, input: InputOf<"write">, nowMs: number): void {
    const { request, command, timeoutMs } = input;
    if (connection.session === null) {
      this.#withoutSession(connection, request, command);
      return;
    }
    const session = connection.session.id;
    const write: Write = {
      session,
      seq: command.seq,
      secretHash: null,
      connection,
      request,
      floor: command.floor,
      bytes: this.#parts.codec.encode(bind(command, session)),
      encodeAgain: null,
      deadlineMs: nowMs + timeoutMs,
    };
    this.#parts.proposals.add(write, this.#parts.refusalOf(command.type));
  }

  /** A session that has ended is answered for without the log, which would say the same. */
  #withoutSession(connection: Connection, request: RequestId, command: WriteCommand): void {
    const { endedSession } = connection;
    const reply =
      endedSession === null ? null : this.#parts.registry.afterEnd(bind(command, endedSession));
    if (reply === null) {
      this.#refuse(connection, request, {
        code: "SESSION_UNKNOWN",
        message: "this connection speaks for no session; open one first",
      });
      return;
    }
    const answer = { type: "writeReply", connection: connection.id, request, reply } as const;
    this.#parts.emit(toClient(answer));
  }

  #refuse(connection: Connection, request: RequestId, refusal: Refusal): void {
    this.#parts.emit(toClient({ type: "refused", connection: connection.id, request, refusal }));
  }
}

/** Written out, since every registration passes here and a spread costs more than the rest. */
function bind(command: WriteCommand, session: string): SessionCommand {
  const { seq, floor } = command;
  switch (command.type) {
    case "register":
      return { type: "register", session, seq, floor, instances: command.instances };
    case "update": {
      const { key, set, ifRevision } = command;
      return { type: "update", session, seq, floor, key, set, ifRevision };
    }
    case "deregister":
      return { type: "deregister", session, seq, floor, keys: command.keys };
    case "closeSession":
      return { type: "closeSession", session, seq, floor };
    default:
      return unreachable(command);
  }
}
