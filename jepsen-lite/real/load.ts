import {
  connect,
  type Registration,
  type RollcallClient,
  RollcallError,
} from "../../src/client/index.ts";
import type { Prng } from "../prng.ts";
import { Ledger } from "./ledger.ts";

const CLIENTS = 3;
const WRITERS_PER_CLIENT = 4;
const KEYS_PER_WRITER = 20;
const REMOVALS_PER_MILLE = 200;
/** Long enough for most, and short enough that some are given up. */
const TIMEOUT_MS_MIN = 300;
const TIMEOUT_MS_MAX = 3_000;
/** A removal that is given up goes on behind its caller's back, so it is waited for. */
const REMOVAL_MS_MAX = 60_000;
const APPLICATION = "load";
const PROTOCOL = "tcp";
/** Connections break all the time here. */
const logger = { debug() {}, info() {}, warn() {}, error() {} };

/** A client of one node alone, with keys of its own. */
export interface LoneWriter {
  /** All at once; resolves when each was answered, or given up. */
  write(count: number): Promise<void>;
  close(): Promise<void>;
}

/**
 * Clients that write without a pause, each key by one writer, and note what they are told. All is
 * persistent: no client puts back what was lost, and no session takes anything with it.
 */
export class Load {
  readonly ledger = new Ledger();
  readonly #clients: readonly RollcallClient[];
  readonly #writers: Promise<void>[] = [];
  readonly #waiting = new Set<{ readonly count: number; readonly resolve: () => void }>();
  #isPaused = false;
  #go: () => void = () => {};
  #mayGo: Promise<void> = Promise.resolve();
  #isClosed = false;
  #inFlight = 0;
  #onIdle: () => void = () => {};
  #contents = 0;
  #failure: unknown = null;
  #latenciesMs: number[] = [];
  #lone = 0;

  private constructor(clients: readonly RollcallClient[]) {
    this.#clients = clients;
  }

  /** Each client begins with another of the nodes. */
  static async start(urls: readonly string[], prng: Prng): Promise<Load> {
    const clients = await Promise.all(
      Array.from({ length: CLIENTS }, (_, i) => {
        const first = i % urls.length;
        return connect({ servers: [...urls.slice(first), ...urls.slice(0, first)], logger });
      }),
    );
    const load = new Load(clients);
    for (const [i, client] of clients.entries()) {
      for (let writer = 0; writer < WRITERS_PER_CLIENT; writer += 1) {
        load.#writers.push(load.#write(client, `c${i}-w${writer}`, prng));
      }
    }
    return load;
  }

  /** Resolves when it has written something. */
  async lone(url: string): Promise<LoneWriter> {
    this.#lone += 1;
    const host = `lone${this.#lone}`;
    const client = await connect({ servers: [url], logger });
    let port = 0;
    const writeOne = async (): Promise<void> => {
      port += 1;
      this.#contents += 1;
      const [addr, content] = [`${host}:${port}`, `${this.#contents}`];
      const input = { application: APPLICATION, protocol: PROTOCOL, addr, persistent: true };
      await this.#note(addr, content, async () => {
        const options = { timeoutMs: TIMEOUT_MS_MIN };
        await client.provider.register({ ...input, meta: { content } }, options);
      });
    };
    await writeOne();
    return {
      write: async (count) => {
        await Promise.all(Array.from({ length: count }, writeOne));
      },
      close: () => client.close({ timeoutMs: TIMEOUT_MS_MIN }),
    };
  }

  get acknowledged(): number {
    return this.ledger.counts.acknowledged;
  }

  /** Of the writes that were acknowledged since this was called last; of each from its call on. */
  takeLatenciesMs(): readonly number[] {
    const latenciesMs = this.#latenciesMs;
    this.#latenciesMs = [];
    return latenciesMs;
  }

  /** Resolves with the acknowledgement that is the `count`th from now. */
  more(count: number): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.add({ count: this.acknowledged + count, resolve });
    });
  }

  /** Resolves when nothing is in flight; nothing more is sent until `go`. */
  async pause(): Promise<void> {
    this.#isPaused = true;
    this.#mayGo = new Promise((resolve) => {
      this.#go = resolve;
    });
    if (this.#inFlight > 0) {
      await new Promise<void>((resolve) => {
        this.#onIdle = resolve;
      });
    }
    if (this.#failure !== null) throw this.#failure;
  }

  go(): void {
    this.#isPaused = false;
    this.#go();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.go();
    await Promise.all(this.#clients.map((client) => client.close({ timeoutMs: 1_000 })));
    await Promise.all(this.#writers);
  }

  async #write(client: RollcallClient, writer: string, prng: Prng): Promise<void> {
    const registrations = new Map<string, Registration>();
    for (let turn = 0; !this.#isClosed; turn += 1) {
      await this.#mayGo;
      if (this.#isPaused || this.#isClosed) continue;
      this.#inFlight += 1;
      try {
        await this.#writeOne(
          client,
          registrations,
          `${writer}:${1 + (turn % KEYS_PER_WRITER)}`,
          prng,
        );
      } catch (error) {
        this.#failure ??= error;
        return;
      } finally {
        this.#inFlight -= 1;
        if (this.#inFlight === 0) this.#onIdle();
      }
    }
  }

  async #writeOne(
    client: RollcallClient,
    registrations: Map<string, Registration>,
    addr: string,
    prng: Prng,
  ): Promise<void> {
    const registration = registrations.get(addr);
    const options = { timeoutMs: prng.between(TIMEOUT_MS_MIN, TIMEOUT_MS_MAX) };
    if (registration !== undefined && prng.chance(REMOVALS_PER_MILLE)) {
      registrations.delete(addr);
      await this.#note(addr, null, () => registration.deregister({ timeoutMs: REMOVAL_MS_MAX }));
      return;
    }
    this.#contents += 1;
    const content = `${this.#contents}`;
    const meta = { content };
    if (registration !== undefined) {
      await this.#note(addr, content, () => registration.update({ meta }, options));
      return;
    }
    await this.#note(addr, content, async () => {
      const key = { application: APPLICATION, protocol: PROTOCOL, addr };
      const input = { ...key, persistent: true, meta };
      registrations.set(addr, await client.provider.register(input, options));
    });
  }

  async #note(key: string, content: string | null, write: () => Promise<void>): Promise<void> {
    const attempt = this.ledger.attempt(key, content);
    const startedMs = performance.now();
    try {
      await write();
    } catch (error) {
      if (!(error instanceof RollcallError)) throw error;
      if (error.definite) attempt.refused();
      else attempt.unknown();
      return;
    }
    attempt.ok();
    this.#latenciesMs.push(performance.now() - startedMs);
    for (const waiting of this.#waiting) {
      if (waiting.count <= this.acknowledged) {
        this.#waiting.delete(waiting);
        waiting.resolve();
      }
    }
  }
}

/** All that is there, as a linearizable read of this node shows it. */
export async function readAll(url: string): Promise<ReadonlyMap<string, string>> {
  const client = await connect({ servers: [url], logger });
  try {
    const { instances } = await client.consumer.get(APPLICATION, { read: "linearizable" });
    return new Map(instances.map(({ addr, meta }) => [addr, meta["content"] ?? ""]));
  } finally {
    await client.close();
  }
}
