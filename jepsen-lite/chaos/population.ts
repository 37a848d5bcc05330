import { BULK_APPLICATION, Bulk } from "../bare/bulk.ts";
import type { ClientOptions, ProviderOptions } from "../bare/client.ts";
import { Contender, Resource } from "../bare/contender.ts";
import { Drawing } from "../bare/drawing.ts";
import { Herd } from "../bare/herd.ts";
import { Pages } from "../bare/pages.ts";
import { Provider } from "../bare/provider.ts";
import { Watcher } from "../bare/watcher.ts";
import { LibraryConsumer } from "./library-consumer.ts";
import { LibraryProvider } from "./library-provider.ts";

const PROVIDERS = 6;
const ONCE = 2;
const CONTENDERS = 3;
const WATCHERS = 6;
const SLOW = 2;
/** Of a slow watcher, so that little has to be written until it holds up its node. */
const BALLAST = 31;
const LIBRARY_PROVIDERS = 2;
const LIBRARY_CONSUMERS = 2;
const PAGES = 1;
const CONTENDER_MS = 25;
/** Of a herd: what an operator would leave it at. */
const HERD_TTL_MS = 10_000;
const HERD_GRACE_MS = 2_000;

/** Whoever lives in a world, other than its nodes. */
export class Population {
  /** Ordinary ones first; then those that do everything once, that want one lock, and that write much. */
  readonly providers: readonly Provider[];
  readonly watchers: readonly Watcher[];
  /** Those of the watchers that watch what is much. */
  readonly slow: readonly Watcher[];
  readonly libraryProviders: readonly LibraryProvider[];
  readonly libraryConsumers: readonly LibraryConsumer[];
  readonly pages: readonly Pages[];
  readonly herd: Herd;
  readonly bulk: Bulk;

  constructor(client: (name: string) => ClientOptions) {
    const named = <T>(letter: string, count: number, make: (options: ClientOptions) => T): T[] =>
      Array.from({ length: count }, (_, i) => make(client(`${letter}${i + 1}`)));
    const drawing = (options: ClientOptions, isOnce: boolean): ProviderOptions => {
      const { prng, name, applications } = options;
      return { ...options, isOnce, work: new Drawing(prng, name, applications) };
    };
    const resource = new Resource();
    const contending = (options: ClientOptions): ProviderOptions => {
      const { prng, recorder, name: process } = options;
      const onUse = (token: number, isAccepted: boolean): void =>
        recorder.record({ type: "fenced", process, token, isAccepted });
      const work = new Contender({ prng, resource, onUse });
      return { ...options, operationMs: CONTENDER_MS, isOnce: false, work };
    };
    this.bulk = new Bulk();
    this.providers = [
      ...named("c", PROVIDERS, (options) => new Provider(drawing(options, false))),
      ...named("o", ONCE, (options) => new Provider(drawing(options, true))),
      ...named("l", CONTENDERS, (options) => new Provider(contending(options))),
      new Provider({ ...client("b1"), isOnce: false, work: this.bulk }),
    ];
    const ofBulk = { applications: [BULK_APPLICATION], mode: "delta" } as const;
    const staying = { isStaying: true, ballast: BALLAST };
    this.slow = named("s", SLOW, (options) => new Watcher({ ...options, ...ofBulk, ...staying }));
    this.watchers = [...named("w", WATCHERS, (options) => new Watcher(options)), ...this.slow];
    this.libraryProviders = named(
      "p",
      LIBRARY_PROVIDERS,
      (options) => new LibraryProvider(options, options.name === "p1"),
    );
    this.libraryConsumers = named(
      "q",
      LIBRARY_CONSUMERS,
      (options) => new LibraryConsumer(options),
    );
    this.pages = named("h", PAGES, (options) => new Pages(options));
    this.herd = new Herd({ ...client("m"), ttlMs: HERD_TTL_MS, graceMs: HERD_GRACE_MS });
  }

  async start(): Promise<void> {
    for (const end of [...this.providers, ...this.watchers, ...this.pages]) end.start();
    await Promise.all(
      [...this.libraryProviders, ...this.libraryConsumers].map((end) => end.start()),
    );
  }

  async kill(): Promise<void> {
    for (const end of [...this.providers, ...this.watchers, ...this.pages, this.herd]) end.kill();
    await Promise.all(
      [...this.libraryProviders, ...this.libraryConsumers].map((end) => end.kill()),
    );
  }

  /** The connection from that port is about to be reset by whoever is between. */
  wasReset(port: number): void {
    for (const provider of this.providers) provider.wasReset(port);
    this.herd.wasReset(port);
  }

  get acknowledged(): number {
    return sum([...this.providers, ...this.libraryProviders], ({ acknowledged }) => acknowledged);
  }

  get reads(): number {
    const all = [...this.providers, ...this.watchers, ...this.libraryConsumers, ...this.pages];
    return sum(all, ({ reads }) => reads);
  }

  get deliveries(): number {
    return sum([...this.watchers, ...this.libraryConsumers], ({ deliveries }) => deliveries);
  }

  /** All who are to know in the end what there is. */
  get consumers(): readonly (Watcher | LibraryConsumer)[] {
    return [...this.watchers, ...this.libraryConsumers];
  }
}

function sum<T>(all: readonly T[], count: (each: T) => number): number {
  return all.reduce((total, each) => total + count(each), 0);
}
