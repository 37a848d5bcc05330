import {
  connect,
  type RollcallClient,
  RollcallError,
  type WatchEvent,
} from "../../src/client/index.ts";
import { keyOf, readOf, viewOf } from "../bare/messages.ts";
import type { Key, Selector, View } from "../history.ts";
import { drawReadMode } from "../workload.ts";
import { type LibraryOptions, silentLogger } from "./library.ts";

const TIMEOUT_MS = 2_500;
const CLOSE_MS_MAX = 1_000;

/**
 * A consumer that runs through the client library: one watch, which the library carries from node to
 * node by itself, and lookups. Each event of the watch is written down as what it says it is, with its
 * revision; that its whole list is what its differences come to is looked at here.
 */
export class LibraryConsumer {
  readonly name: string;
  readonly selector: Selector;
  readonly #options: LibraryOptions;
  #client: RollcallClient | null = null;
  #view: Map<Key, string> | null = null;
  #revision = 0;
  #floorRevision = 0;
  #deliveries = 0;
  #reads = 0;
  #isOver = false;

  constructor(options: LibraryOptions) {
    const { prng } = options;
    this.name = options.name;
    this.#options = options;
    this.selector = {
      namespace: "default",
      application: prng.pick(options.applications),
      protocol: prng.pick([null, "http"]),
      meta: prng.chance(300) ? [["tag", "read"]] : [],
    };
  }

  get view(): ReadonlyMap<Key, string> | null {
    return this.#view;
  }

  get revision(): number {
    return this.#revision;
  }

  get deliveries(): number {
    return this.#deliveries;
  }

  get reads(): number {
    return this.#reads;
  }

  async start(): Promise<void> {
    const { urls } = this.#options;
    this.#client = await connect({ servers: urls, name: this.name, logger: silentLogger });
    void this.#watch(this.#client);
    void this.#look(this.#client);
  }

  async kill(): Promise<void> {
    this.#isOver = true;
    await this.#client?.close({ timeoutMs: CLOSE_MS_MAX });
  }

  async #watch(client: RollcallClient): Promise<void> {
    const { recorder, onStrange } = this.#options;
    const stream = recorder.stream();
    recorder.record({
      ...{ type: "subscribe", stream, process: this.name, selector: this.selector },
      ...{ from: null, mode: "delta" },
    });
    try {
      for await (const event of client.consumer.watch(this.#asked)) this.#take(stream, event);
    } catch (error) {
      if (!this.#isOver) onStrange(`${this.name}: its watch has ended with ${error}`);
      return;
    }
    if (!this.#isOver) onStrange(`${this.name}: its watch has ended`);
  }

  #take(stream: number, event: WatchEvent): void {
    const { recorder, onStrange } = this.#options;
    const { revision } = event;
    const view = viewOf(event.instances);
    if (event.type === "snapshot") {
      recorder.record({ type: "snapshot", stream, revision, view, isReset: event.reset === true });
      this.#view = new Map(view);
    } else {
      const put = viewOf(event.put);
      const remove = event.remove.map(keyOf);
      const from = event.collapsed?.from;
      const collapsed = from === undefined ? null : { from, isLast: true };
      recorder.record({ type: "delta", stream, revision, put, remove, collapsed });
      const next = new Map(this.#view ?? []);
      for (const key of remove) next.delete(key);
      for (const [key, content] of put) next.set(key, content);
      this.#view = next;
      if (!isSame(next, view)) {
        onStrange(`${this.name}: the list at revision ${revision} is not what changes come to`);
      }
    }
    this.#deliveries += 1;
    this.#revision = revision;
    this.#floorRevision = Math.max(this.#floorRevision, revision);
  }

  async #look(client: RollcallClient): Promise<void> {
    const { prng, operationMs } = this.#options;
    while (!this.#isOver) {
      await new Promise((resolve) => setTimeout(resolve, prng.between(1, 12 * operationMs)));
      if (!this.#isOver) await this.#get(client);
    }
  }

  async #get(client: RollcallClient): Promise<void> {
    const { prng, recorder, clock, onStrange } = this.#options;
    const mode = drawReadMode(prng, this.#floorRevision);
    const op = recorder.invoke(this.name, { kind: "read", selector: this.selector, mode });
    const sentMs = clock.nowMs;
    try {
      const options = { read: readOf(mode), timeoutMs: TIMEOUT_MS };
      const result = await client.consumer.get(this.#asked, options);
      const { revision, ageMs } = result;
      this.#reads += 1;
      this.#floorRevision = Math.max(this.#floorRevision, revision);
      recorder.record({
        ...{ type: "ok", op, revision, view: viewOf(result.instances), ageMs },
        // A node knows the age to a millisecond, and was asked no sooner.
        asOfMs: ageMs === null ? null : sentMs - ageMs - 1,
      });
    } catch (error) {
      if (!(error instanceof RollcallError)) onStrange(`${this.name}: the library threw ${error}`);
    }
  }

  get #asked(): {
    readonly application: string;
    readonly protocol?: string;
    readonly meta: Record<string, string>;
  } {
    const { application, protocol, meta } = this.selector;
    return {
      ...{ application, meta: Object.fromEntries(meta) },
      ...(protocol !== null && { protocol }),
    };
  }
}

function isSame(held: ReadonlyMap<Key, string>, view: View): boolean {
  return held.size === view.length && view.every(([key, content]) => held.get(key) === content);
}
