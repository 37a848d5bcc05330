import type { AddressInfo } from "node:net";
import { Packr } from "msgpackr";
import { type WebSocket, WebSocketServer } from "ws";
import type { ClientMessage, ReplyMessage } from "../../../src/wire/messages.ts";
import { Disk } from "./disk.ts";

const FOLLOWERS = 2;
const packr = new Packr({ useRecords: false, int64AsType: "number" });

interface Waiting {
  readonly client: WebSocket;
  readonly id: number;
}

interface Batch {
  readonly index: number;
  readonly waiting: readonly Waiting[];
}

/**
 * The whole of a replicated write and nothing else: what waits becomes one value, which goes to this
 * disk and to both followers at the same time, and is answered when two of the three have it.
 */
class Leader {
  readonly #disk: Disk;
  /** The last index that each node has on its disk; the leader's own is the first. */
  readonly #durable = Array.from({ length: 1 + FOLLOWERS }, () => 0);
  readonly #followers: WebSocket[] = [];
  readonly #unanswered: Batch[] = [];
  #requests: Uint8Array[] = [];
  #waiting: Waiting[] = [];
  #lastIndex = 0;
  #isGatherPlanned = false;

  constructor(disk: Disk) {
    this.#disk = disk;
  }

  get isComplete(): boolean {
    return this.#followers.length === FOLLOWERS;
  }

  addFollower(socket: WebSocket): void {
    const node = this.#followers.push(socket);
    socket.on("message", (data) => this.#persisted(node, packr.unpack(data as Buffer) as number));
    socket.on("close", () => process.exit(1));
  }

  addClient(client: WebSocket): void {
    client.on("message", (data) => {
      const frame = data as Buffer;
      const message = packr.unpack(frame) as ClientMessage;
      if (message.type !== "register") {
        answerAtOnce(client, message);
        return;
      }
      this.#requests.push(frame);
      this.#waiting.push({ client, id: message.id });
      this.#planGather();
    });
    client.on("error", () => client.terminate());
  }

  /** At the end of the turn, so that all requests that came in it share a write. */
  #planGather(): void {
    if (this.#isGatherPlanned || this.#disk.isBusy || this.#requests.length === 0) return;
    this.#isGatherPlanned = true;
    setImmediate(() => {
      this.#isGatherPlanned = false;
      this.#gather();
    });
  }

  #gather(): void {
    const index = ++this.#lastIndex;
    const value = Buffer.concat(this.#requests);
    this.#unanswered.push({ index, waiting: this.#waiting });
    this.#requests = [];
    this.#waiting = [];
    const frame = packr.pack([index, value]);
    for (const follower of this.#followers) follower.send(frame);
    this.#disk.write([[index, value]], () => {
      this.#planGather();
      this.#persisted(0, index);
    });
  }

  #persisted(node: number, index: number): void {
    this.#durable[node] = index;
    const committed = this.#durable.toSorted((a, b) => a - b)[FOLLOWERS >> 1];
    const answers = new Map<WebSocket, ReplyMessage[]>();
    for (let batch = this.#unanswered[0]; batch !== undefined; batch = this.#unanswered[0]) {
      if (committed === undefined || batch.index > committed) break;
      this.#unanswered.shift();
      for (const { client, id } of batch.waiting) {
        const reply: ReplyMessage = { type: "reply", id, ok: true, revision: batch.index };
        const own = answers.get(client);
        if (own === undefined) answers.set(client, [reply]);
        else own.push(reply);
      }
    }
    for (const [client, own] of answers) client.send(packr.pack(own.length === 1 ? own[0] : own));
  }
}

/** As much of the protocol around the writes as the load generator needs. */
function answerAtOnce(client: WebSocket, message: ClientMessage): void {
  if (message.type === "hello") client.send(packr.pack({ type: "welcome", protocol: 1 }));
  else if (message.type === "get") {
    const { id } = message;
    client.send(packr.pack({ type: "reply", id, ok: true, revision: 0, endpoints: [] }));
  } else if (message.type === "open" || message.type === "bye") {
    client.send(packr.pack({ type: "reply", id: message.id, ok: true, revision: 0 }));
  }
}

/** `onListening` is told the port, `onComplete` that both followers are there. */
export async function lead(
  directory: string,
  onListening: (port: number) => void,
  onComplete: () => void,
): Promise<void> {
  const leader = new Leader(await Disk.open(directory));
  const server = new WebSocketServer({ host: "127.0.0.1", port: 0, perMessageDeflate: false });
  server.on("connection", (socket, request) => {
    if (request.url !== "/peer") {
      leader.addClient(socket);
      return;
    }
    leader.addFollower(socket);
    if (leader.isComplete) onComplete();
  });
  server.on("listening", () => onListening((server.address() as AddressInfo).port));
}
