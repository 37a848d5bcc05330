import { performance } from "node:perf_hooks";
import type { Clock, Timer, Timers } from "../env/env.ts";
import { EXIT } from "../errors.ts";
import { TICK_MS } from "../limits.ts";
import { OutdatedLog } from "../raft/outdated-log.ts";
import type { ChunkRequest } from "../raft/snapshot.ts";
import type { Alarm, MemberId, PersistRequest } from "../raft/types.ts";
import type { ClientOutput, ConnectionId, Input, Notice, Output } from "../replica/inputs.ts";
import type { Now } from "../replica/now.ts";
import type { PeerMessage } from "../replica/peer-messages.ts";
import type { Replica } from "../replica/replica.ts";
import type { ReplicaStatus } from "../replica/status.ts";
import type { Storage } from "../storage/storage.ts";
import { AssertionError, unreachable } from "../util/assert.ts";
import { divergenceError } from "./divergence-error.ts";
import type { NodeError } from "./node-error.ts";
import { outdatedError } from "./outdated-error.ts";
import { afterPoll } from "./poll.ts";
import type { SendPump } from "./send-pump.ts";

/** A connection as the driver sees it: a place for its outputs. */
export interface OutputSink {
  accept(output: ClientOutput): void;
}

export interface DriverObserver {
  notice(notice: Notice): void;
  /** A turn's `ready()`: consensus, apply and the making of outputs. */
  readied(seconds: number): void;
}

export interface DriverOptions {
  readonly replica: Replica;
  readonly storage: Storage;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly pump: SendPump;
  readonly sendToPeer: (peer: MemberId, messages: readonly PeerMessage[]) => void;
  readonly observer: DriverObserver;
  /** Sees to it that no start uses what is on the disk again: it is wrong, as `text` says. */
  readonly setAside: (text: string) => Promise<void>;
  /** Sees to it that no start uses the directory again: it has forgotten something, as `text` says. */
  readonly giveUp: (text: string) => Promise<void>;
  /** The node must end with this exit code, and must not write to a socket again. */
  readonly onFatal: (exitCode: number, error: unknown) => void;
}

/**
 * The loop around a replica. An input is stepped when it comes; the outputs of a turn's inputs are
 * taken once, behind them (`setImmediate`), so that they share an entry and an fsync, and most often
 * a frame. What comes of carrying them out is stepped when all of them are.
 */
export class Driver {
  readonly #options: DriverOptions;
  readonly #sinks = new Map<ConnectionId, OutputSink>();
  #lastConnection: ConnectionId = 0;
  #ticker: Timer | null = null;
  #alarm: Timer | null = null;
  #lastTickMs = 0;
  #isTickDue = false;
  #isFlushScheduled = false;
  /** Came while a turn's outputs were carried out; null at any other time. */
  #arrivals: Input[] | null = null;
  #isEnded = false;
  #persisting: Promise<void> = Promise.resolve();

  constructor(options: DriverOptions) {
    this.#options = options;
  }

  get isEnded(): boolean {
    return this.#isEnded;
  }

  start(): void {
    const { clock, timers } = this.#options;
    this.#lastTickMs = clock.monotonicMs();
    this.#ticker = timers.every(TICK_MS, () => this.#tick());
    this.#scheduleFlush();
  }

  /** Takes no more inputs. Resolves when no write is out, so that the storage can be closed. */
  async stop(): Promise<void> {
    this.#isEnded = true;
    this.#ticker?.cancel();
    this.#alarm?.cancel();
    await this.#persisting;
  }

  now(): Now {
    const { clock } = this.#options;
    return { monotonicMs: clock.monotonicMs(), wallMs: clock.wallMs() };
  }

  status(): ReplicaStatus {
    return this.#options.replica.status(this.now());
  }

  connect(sink: OutputSink, floorRevision: number): ConnectionId {
    this.#lastConnection += 1;
    const connection = this.#lastConnection;
    this.#sinks.set(connection, sink);
    this.step({ type: "connected", connection, floorRevision });
    return connection;
  }

  disconnect(connection: ConnectionId, byClient: boolean): void {
    this.#sinks.delete(connection);
    this.step({ type: "disconnected", connection, byClient });
  }

  step(input: Input): void {
    if (this.#isEnded) {
      return;
    }
    if (this.#arrivals !== null) {
      this.#arrivals.push(input);
      return;
    }
    try {
      this.#options.replica.step(input, this.now());
    } catch (error) {
      if (error instanceof OutdatedLog) void this.#endBehind("giveUp", outdatedError(error));
      else this.#fail(EXIT.invariant, error);
      return;
    }
    this.#scheduleFlush();
  }

  #scheduleFlush(): void {
    if (!this.#isFlushScheduled) {
      this.#isFlushScheduled = true;
      this.#options.timers.soon(() => this.#flush());
    }
  }

  #flush(): void {
    this.#isFlushScheduled = false;
    if (this.#isEnded) {
      return;
    }
    try {
      this.#arrivals = [];
      this.#takeParts();
      const arrivals = this.#arrivals;
      this.#arrivals = null;
      for (const input of arrivals) {
        this.step(input);
      }
      this.#options.pump.run();
    } catch (error) {
      this.#fail(EXIT.invariant, error);
    }
  }

  #takeParts(): void {
    const { observer, replica } = this.#options;
    const parts = replica.ready(this.now());
    let spentMs = 0;
    while (!this.#isEnded) {
      const startedMs = performance.now();
      const part = parts.next();
      spentMs += performance.now() - startedMs;
      if (part.done === true) {
        break;
      }
      this.#carryOut(part.value);
    }
    observer.readied(spentMs / 1000);
  }

  /** What clients get waits for the pump, behind the disk and the peers, for whom others wait. */
  #carryOut(outputs: readonly Output[]): void {
    const byPeer = new Map<MemberId, PeerMessage[]>();
    for (const output of outputs) {
      switch (output.type) {
        case "persist":
          this.#persisting = this.#persist(output.request);
          break;
        case "readChunk":
          void this.#readChunk(output.request);
          break;
        case "send": {
          const { message } = output;
          const messages = byPeer.get(message.to);
          if (messages === undefined) {
            byPeer.set(message.to, [message]);
          } else {
            messages.push(message);
          }
          break;
        }
        case "client":
          this.#sinks.get(output.output.connection)?.accept(output.output);
          break;
        case "alarm":
          this.#setAlarm(output.alarm);
          break;
        case "notice":
          this.#options.observer.notice(output.notice);
          break;
        case "diverged":
          void this.#endBehind("setAside", divergenceError(output.divergence));
          break;
        default:
          unreachable(output);
      }
    }
    if (this.#isEnded) {
      return;
    }
    for (const [peer, messages] of byPeer) {
      this.#options.sendToPeer(peer, messages);
    }
  }

  async #persist(request: PersistRequest): Promise<void> {
    try {
      await this.#options.storage.persist(request);
    } catch (error) {
      this.storageFailed(error);
      return;
    }
    this.step({ type: "persisted", write: request.write });
  }

  async #readChunk(request: ChunkRequest): Promise<void> {
    try {
      const chunk = await this.#options.storage.readChunk(request.id, request.chunk);
      this.step({ type: "chunkRead", request, chunk });
    } catch (error) {
      this.storageFailed(error);
    }
  }

  /**
   * After a stall the timer runs before the heartbeats that wait in the sockets are read, and a
   * follower would campaign against a leader that has been talking to it. So a late tick lets the
   * loop look at the sockets first; and however late, it is one tick.
   */
  #tick(): void {
    const { clock, timers } = this.#options;
    const nowMs = clock.monotonicMs();
    const lateMs = nowMs - this.#lastTickMs - TICK_MS;
    this.#lastTickMs = nowMs;
    if (this.#isTickDue) {
      return;
    }
    if (lateMs <= TICK_MS / 2) {
      this.step({ type: "tick" });
      return;
    }
    this.#isTickDue = true;
    afterPoll(timers, () => {
      this.#isTickDue = false;
      this.step({ type: "tick" });
    });
  }

  #setAlarm({ number, afterMs }: Alarm): void {
    const { timers } = this.#options;
    this.#alarm?.cancel();
    this.#alarm = timers.after(afterMs, () =>
      afterPoll(timers, () => this.step({ type: "alarm", number })),
    );
  }

  /**
   * Whether the bytes are on disk nobody can say, and no later write can make it certain: what
   * waits for them must never leave this process.
   */
  storageFailed(error: unknown): void {
    this.#fail(error instanceof AssertionError ? EXIT.invariant : EXIT.disk, error);
  }

  /** Silent from now on; the process may end when the directory can not be started from again. */
  async #endBehind(write: "setAside" | "giveUp", end: NodeError): Promise<void> {
    if (this.#isEnded) return;
    this.#fallSilent();
    let error: unknown = end;
    try {
      await this.#options[write](end.message);
    } catch (cause) {
      error = new AggregateError([end, cause], `${end.message}; ${cause}`);
    }
    this.#options.onFatal(end.exitCode, error);
  }

  #fail(exitCode: number, error: unknown): void {
    if (this.#isEnded) {
      return;
    }
    this.#fallSilent();
    this.#options.onFatal(exitCode, error);
  }

  #fallSilent(): void {
    this.#isEnded = true;
    this.#ticker?.cancel();
    this.#alarm?.cancel();
    this.#options.pump.stop();
  }
}
