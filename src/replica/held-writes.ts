import type { ConnectionId } from "./inputs.ts";
import type { Write } from "./pending-write.ts";

/**
 * Writes over connections whose secret this node cannot compare yet. Ids of sessions and numbers
 * of writes are no secret: until then such a write is not handed to a leader, not answered by
 * what the log says of its number, and takes the place of no write of another connection.
 */
export class HeldWrites {
  readonly #byConnection = new Map<ConnectionId, Map<number, Write>>();
  #count = 0;

  get count(): number {
    return this.#count;
  }

  /** The one with the same number, of the same connection. */
  twin({ connection, seq }: Write): Write | undefined {
    return this.#byConnection.get(connection.id)?.get(seq);
  }

  /** In the place of its twin. */
  add(write: Write): void {
    const { connection, seq } = write;
    const writes = this.#byConnection.get(connection.id) ?? new Map<number, Write>();
    this.#byConnection.set(connection.id, writes);
    this.#count += writes.has(seq) ? 0 : 1;
    writes.set(seq, write);
  }

  /** Takes out all for which `isTaken` holds. */
  take(isTaken: (write: Write) => boolean): readonly Write[] {
    const taken: Write[] = [];
    for (const [connection, writes] of this.#byConnection) {
      for (const [seq, write] of writes) {
        if (isTaken(write)) {
          writes.delete(seq);
          taken.push(write);
        }
      }
      if (writes.size === 0) {
        this.#byConnection.delete(connection);
      }
    }
    this.#count -= taken.length;
    return taken;
  }

  disconnected(connection: ConnectionId): void {
    this.#count -= this.#byConnection.get(connection)?.size ?? 0;
    this.#byConnection.delete(connection);
  }
}
