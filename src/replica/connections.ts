import type { ClientOutput, ConnectionId, Output } from "./inputs.ts";

export type Emit = (output: Output) => void;

/** The session that a connection speaks for. */
export interface BoundSession {
  readonly id: string;
  readonly secretHash: string;
  readonly attach: number;
  /** The secret was compared with the state's; until then nothing of it leaves this node. */
  isVerified: boolean;
}

/** One client socket, as the replica knows it. */
export interface Connection {
  readonly id: ConnectionId;
  /** Nothing older is shown to it, on whichever node it saw it. */
  readonly floorRevision: number;
  session: BoundSession | null;
  /** The session that it spoke for or asked for last, once that has ended. */
  endedSession: string | null;
  /** False once it is gone; what still waits for it is dropped where it is next looked at. */
  isOpen: boolean;
  /** While false its watches wait; `blockedAt` is the revision up to which they were served. */
  isWritable: boolean;
  blockedAt: number;
  /** The highest revision that the client says has reached its application. */
  ackedRevision: number;
  lastMarkMs: number;
}

export class Connections {
  readonly #byId = new Map<ConnectionId, Connection>();

  add(id: ConnectionId, floorRevision: number, nowMs: number): Connection {
    const connection: Connection = {
      id,
      floorRevision,
      session: null,
      endedSession: null,
      isOpen: true,
      isWritable: true,
      blockedAt: 0,
      ackedRevision: 0,
      lastMarkMs: nowMs,
    };
    this.#byId.set(id, connection);
    return connection;
  }

  get(id: ConnectionId): Connection | undefined {
    return this.#byId.get(id);
  }

  remove(id: ConnectionId): void {
    this.#byId.delete(id);
  }

  all(): IterableIterator<Connection> {
    return this.#byId.values();
  }
}

export function toClient(output: ClientOutput): Output {
  return { type: "client", output };
}
