import type { Socket } from "node:net";
import type { Prng } from "../prng.ts";
import type { Toll } from "./toll.ts";
import { FAIR, type Weather } from "./weather.ts";

/** What is sent beyond it stays with its sender, as behind a full window of TCP. */
const QUEUE_BYTES_MAX = 4 * 1024 * 1024;

type Item =
  | { readonly type: "bytes"; readonly bytes: Buffer; readonly dueMs: number }
  | { readonly type: "end" | "reset"; readonly dueMs: number };

export interface PipeOptions {
  readonly source: Socket;
  readonly sink: Socket;
  readonly prng: Prng;
  readonly toll: Toll;
  /** The connection cannot go on, since something of it was lost. */
  readonly onBroken: () => void;
}

/** One way of one connection: what `source` receives goes to `sink`, as the weather allows. */
export class Pipe {
  readonly #source: Socket;
  readonly #sink: Socket;
  readonly #prng: Prng;
  readonly #toll: Toll;
  readonly #onBroken: () => void;
  #weather: Weather = FAIR;
  readonly #queue: Item[] = [];
  #queuedBytes = 0;
  #lastDueMs = 0;
  #hasLost = false;
  /** The source sends nothing more; that it is broken may follow. */
  #hasEnded = false;
  #isOver = false;
  #isBlocked = false;
  #timer: NodeJS.Timeout | null = null;

  constructor({ source, sink, prng, toll, onBroken }: PipeOptions) {
    this.#source = source;
    this.#sink = sink;
    this.#prng = prng;
    this.#toll = toll;
    this.#onBroken = onBroken;
    source.on("data", (bytes: Buffer) => this.#take({ type: "bytes", bytes, dueMs: 0 }));
    source.on("end", () => {
      this.#hasEnded = true;
      this.#take({ type: "end", dueMs: 0 });
    });
    source.on("close", (isBroken: boolean) => {
      // Behind an end, a socket that closes without an error says nothing new.
      if (isBroken || !this.#hasEnded) this.#take({ type: "reset", dueMs: 0 });
      this.#isOver = true;
    });
    sink.on("drain", () => {
      this.#isBlocked = false;
      this.#pump();
    });
  }

  set weather(weather: Weather) {
    const before = this.#weather;
    this.#weather = weather;
    if (before.type === "drop" && weather.type !== "drop" && this.#hasLost) {
      this.#onBroken();
      return;
    }
    if (weather.type !== "slow") {
      this.#lastDueMs = 0;
      for (const [at, item] of this.#queue.entries()) this.#queue[at] = { ...item, dueMs: 0 };
    }
    this.#pump();
  }

  /** Pieces, and what is behind them, that have not been delivered. */
  get waiting(): number {
    return this.#queue.length;
  }

  /** What waits goes on; nothing comes behind it, nor that the source has ended. */
  takeNoMore(): void {
    this.#isOver = true;
  }

  /** Neither source nor sink is touched any more. */
  stop(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    this.#queue.length = 0;
    this.#isOver = true;
  }

  #take(item: Item): void {
    if (this.#isOver) return;
    if (this.#weather.type === "drop") {
      this.#hasLost = true;
      this.#toll.lost += 1;
      return;
    }
    if (this.#weather.type === "hold") this.#toll.held += 1;
    const bytes = item.type === "bytes" ? item.bytes.length : 0;
    this.#queue.push({ ...this.#spoilt(item), dueMs: this.#dueMs(bytes) });
    this.#queuedBytes += bytes;
    if (this.#queuedBytes > QUEUE_BYTES_MAX) this.#source.pause();
    this.#pump();
  }

  #dueMs(bytes: number): number {
    if (this.#weather.type !== "slow") return 0;
    const { delayMs, jitterMs, bytesPerSecond } = this.#weather;
    const latencyMs = Math.max(0, delayMs + this.#prng.between(-jitterMs, jitterMs));
    const sendingMs = bytesPerSecond === null ? 0 : (1_000 * bytes) / bytesPerSecond;
    const nowMs = performance.now();
    this.#lastDueMs = Math.max(this.#lastDueMs + sendingMs, nowMs + latencyMs + sendingMs);
    if (this.#lastDueMs - nowMs >= 1) this.#toll.late += 1;
    return this.#lastDueMs;
  }

  #spoilt(item: Item): Item {
    if (item.type !== "bytes" || this.#weather.type !== "corrupt") return item;
    if (!this.#prng.chance(this.#weather.perMille)) return item;
    const bytes = Buffer.from(item.bytes);
    const at = this.#prng.below(bytes.length);
    this.#toll.spoilt += 1;
    bytes[at] = (bytes[at] ?? 0) ^ (1 << this.#prng.below(8));
    return { ...item, bytes };
  }

  #pump(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    while (this.#weather.type !== "hold" && !this.#isBlocked) {
      const [item] = this.#queue;
      if (item === undefined) break;
      const waitMs = item.dueMs - performance.now();
      if (waitMs > 0) {
        this.#timer = setTimeout(() => this.#pump(), Math.ceil(waitMs));
        break;
      }
      this.#queue.shift();
      this.#deliver(item);
    }
    if (this.#queuedBytes <= QUEUE_BYTES_MAX / 2 && this.#source.isPaused()) this.#source.resume();
  }

  #deliver(item: Item): void {
    switch (item.type) {
      case "bytes":
        this.#queuedBytes -= item.bytes.length;
        this.#isBlocked = !this.#sink.write(item.bytes);
        return;
      case "end":
        this.#sink.end();
        return;
      default:
        this.#sink.resetAndDestroy();
    }
  }
}
