import { connect, type RollcallClient } from "../../src/client/index.ts";
import type { Witness } from "../real/campaign.ts";
import { Violation } from "../real/violation.ts";
import { until } from "../real/wait.ts";

const PROVIDERS = 9;
const INSTANCES_EACH = 2;
const ALL_MS_MAX = 20_000;
const APPLICATION = "living";
/** Connections break all the time here. */
const logger = { debug() {}, info() {}, warn() {}, error() {} };

/**
 * Providers that only live, each with a session that it renews, and a consumer that watches them. As
 * long as they live none of them may go, however the disks of the nodes do.
 */
export class Providers implements Witness {
  readonly #clients: readonly RollcallClient[];
  readonly #consumer: RollcallClient;
  /** Sessions that have ended, and instances that the consumer was told to be gone. */
  readonly #gone: string[] = [];
  #shown: readonly string[] = [];

  private constructor(clients: readonly RollcallClient[], consumer: RollcallClient) {
    this.#clients = clients;
    this.#consumer = consumer;
  }

  static async start(urls: readonly string[], ttlMs: number): Promise<Providers> {
    const from = (first: number) => [...urls.slice(first), ...urls.slice(0, first)];
    const clients = await Promise.all(
      Array.from({ length: PROVIDERS }, (_, i) => {
        return connect({ servers: from(i % urls.length), ttlMs, logger });
      }),
    );
    const providers = new Providers(clients, await connect({ servers: urls, logger }));
    void providers.#watch();
    await Promise.all(clients.map((client, i) => providers.#live(client, i)));
    await providers.check();
    return providers;
  }

  async check(): Promise<void> {
    if (this.#gone.length === 0) {
      const all = async () => (this.#shown.length === PROVIDERS * INSTANCES_EACH ? true : null);
      await until(ALL_MS_MAX, "every provider to be shown", all).catch((error) => {
        throw new Violation("stuck", `${error.message}; there are ${this.#shown.join(", ")}`);
      });
    }
    const [first] = this.#gone;
    if (first !== undefined) throw new Violation("expired", first, this.#gone.length);
  }

  async close(): Promise<void> {
    await Promise.all(
      [this.#consumer, ...this.#clients].map((client) => client.close({ timeoutMs: 1_000 })),
    );
  }

  async #live(client: RollcallClient, provider: number): Promise<void> {
    void this.#note(client);
    for (let port = 1; port <= INSTANCES_EACH; port += 1) {
      const addr = `p${provider}:${port}`;
      await client.provider.register({ application: APPLICATION, protocol: "tcp", addr });
    }
  }

  async #note(client: RollcallClient): Promise<void> {
    for await (const status of client.status()) {
      if (status.type === "sessionExpired") {
        this.#gone.push(`session ${status.session} has ended: ${status.reason}`);
      }
      if (status.type === "closed") return;
    }
  }

  async #watch(): Promise<void> {
    for await (const { instances, remove } of this.#consumer.consumer.watch(APPLICATION)) {
      this.#shown = instances.map(({ addr }) => addr);
      // What was said before the close of any of them.
      this.#gone.push(...remove.map(({ addr }) => `the consumer was told that ${addr} is gone`));
    }
  }
}
