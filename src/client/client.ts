import type { Clock, Dialer, Logger, Random, Timers } from "../env/env.ts";
import type { ErrorCode } from "../errors.ts";
import { BYE_TIMEOUT_MS_DEFAULT } from "../limits.ts";
import { type Hello, PROTOCOL_VERSION, type Welcome } from "../wire/messages.ts";
import { attempt, Call, type CallOptions } from "./call.ts";
import { Connection, type ConnectionHandlers } from "./connection.ts";
import { type Consumer, WatchingConsumer } from "./consumer.ts";
import { closedError, RollcallError } from "./errors.ts";
import type { Link } from "./link.ts";
import { type CheckedOptions, checkCall } from "./options.ts";
import { DeclaredProvider, type Provider } from "./provider.ts";
import { Session } from "./session.ts";
import { type ClientState, type Status, StatusFeed } from "./status.ts";
import { SDK_VERSION } from "./version.ts";

export interface ClientWorld {
  readonly dialer: Dialer;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly logger: Logger;
}

/** A connection to the registry, whichever node it leads to, for as long as the program wants it. */
export class RollcallClient {
  readonly provider: Provider;
  readonly consumer: Consumer;
  readonly #world: ClientWorld;
  readonly #options: CheckedOptions;
  readonly #feed = new StatusFeed();
  readonly #connection: Connection;
  readonly #session: Session;
  readonly #provider: DeclaredProvider;
  readonly #consumer: WatchingConsumer;
  readonly #readies = new Set<Call<void>>();
  /** The highest revision seen; nothing older is shown, on whichever node. */
  #floor = 0;
  #lineage: string | null = null;
  #closing: Promise<void> | null = null;

  /** `connect` makes clients; this is for those who bring their own world. */
  constructor(options: CheckedOptions, world: ClientWorld) {
    this.#world = safeWorld(world);
    this.#options = options;
    this.#consumer = new WatchingConsumer(this.#world, options.namespace, {
      floor: () => this.#floor,
      onSeen: (revision) => this.#seen(revision),
      onElsewhere: (code) => this.#elsewhere(code),
      onWatching: () => this.#connection.askAge(),
      onBehind: () => this.#connection.abandon("it is behind what this client has seen"),
    });
    this.#provider = new DeclaredProvider(this.#world, options.namespace, {
      sessionId: () => this.#session.id,
      submit: (body, onOutcome, waiter) =>
        this.#session.submit(
          body,
          (outcome) => {
            if (outcome.type === "ok") {
              this.#seen(outcome.revision);
            }
            onOutcome(outcome);
          },
          waiter,
        ),
      list: (namespace, application) => this.#list(namespace, application),
      onStatus: (status) => this.#feed.emit(status),
    });
    this.#session = new Session(this.#world, options, {
      onResumed: (owned, isExact) => this.#provider.onResumed(owned, isExact),
      onOwned: (owned) => this.#provider.onOwned(owned),
      onLost: () => this.#provider.onSessionLost(),
      onConfirmed: (atMs) => this.#connection.confirmed(atMs),
      onElsewhere: (code) => this.#elsewhere(code),
      onStatus: (status) => this.#feed.emit(status),
    });
    this.#connection = new Connection(
      this.#world,
      options.servers,
      options.ttlMs,
      this.#connectionHandlers(),
    );
    this.provider = this.#provider;
    this.consumer = this.#consumer;
    this.#connection.start();
  }

  /** How things stand now. */
  get state(): ClientState {
    return { connection: this.#connection.view, session: this.#session.view };
  }

  /** What happens from now on, one event a change. It ends when the client is closed. */
  status(): AsyncIterableIterator<Status> {
    return this.#feed.subscribe();
  }

  /** Resolves once a node has welcomed this client; at once while one does. */
  ready(options: CallOptions = {}): Promise<void> {
    return attempt(() => {
      checkCall(options);
      return this.#ready(options);
    });
  }

  #ready(options: CallOptions): Promise<void> {
    const call: Call<void> = new Call(this.#world, options, () => {
      this.#readies.delete(call);
      return new RollcallError("TIMEOUT", "no node could be reached before the deadline", {
        definite: true,
        cause: this.#connection.lastError,
      });
    });
    const { tag } = this.#connection.view;
    if (tag === "connected") {
      call.resolve();
    } else if (tag === "closed" || this.#closing !== null) {
      call.reject(closedError());
    } else if (!call.isSettled) {
      this.#readies.add(call);
    }
    return call.promise;
  }

  /**
   * Says bye, which removes all that this client registered (but what is persistent), and ends
   * everything. Waits for the answer to the bye for at most `timeoutMs`, by default 2,000. Never
   * rejects.
   */
  close(options: { readonly timeoutMs?: number } = {}): Promise<void> {
    this.#closing ??= this.#close(options.timeoutMs ?? BYE_TIMEOUT_MS_DEFAULT);
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(timeoutMs: number): Promise<void> {
    this.#provider.close();
    this.#consumer.close();
    for (const call of this.#readies) {
      call.reject(closedError());
    }
    const patience = new Call<boolean>(this.#world, { timeoutMs }, () => closedError());
    void this.#session.bye().then((isOver) => patience.resolve(isOver));
    const isSessionOver = await patience.promise.catch(() => false);
    this.#session.close();
    this.#connection.close();
    this.#world.logger.info({}, "closed");
    this.#feed.emit({ type: "closed", isSessionOver });
    this.#feed.close();
  }

  #connectionHandlers(): ConnectionHandlers {
    return {
      hello: () => this.#hello(),
      onUp: (link, welcome, helloAtMs) => this.#up(link, welcome, helloAtMs),
      onDown: () => {
        this.#session.down();
        this.#consumer.down();
      },
      onMessage: (message) => {
        switch (message.type) {
          case "session":
            this.#session.onMessage(message);
            return;
          case "snapshot":
          case "delta":
          case "mark":
            this.#consumer.onMessage(message);
            return;
          default:
            // A newer node may say things that this client need not understand.
            ignore(message);
        }
      },
      onPong: (pong, sentAtMs) => this.#session.onPong(pong, sentAtMs),
      onUnconfirmed: () => this.#session.unconfirmed(),
      onAge: (isKnown, node) => {
        const level = isKnown ? "info" : "warn";
        this.#world.logger[level]({ node, isKnown }, "whether a node knows how old its copy is");
        this.#feed.emit({ type: isKnown ? "ageKnown" : "ageUnknown", node });
        this.#consumer.onAge(isKnown);
      },
      onStatus: (status) => this.#feed.emit(status),
    };
  }

  #hello(): Hello {
    const { name, token } = this.#options;
    const session = this.#session.forHello();
    return {
      type: "hello",
      versions: [PROTOCOL_VERSION],
      client: { name, version: SDK_VERSION, language: "typescript" },
      ...(session !== null && { session }),
      ...(token !== null && { token }),
      ...(this.#lineage !== null && { revision: this.#floor, lineage: this.#lineage }),
    };
  }

  #up(link: Link, welcome: Welcome, helloAtMs: number): void {
    if (this.#lineage !== null && this.#lineage !== welcome.lineage) {
      this.#world.logger.warn(
        { before: this.#lineage, now: welcome.lineage },
        "the registry was restored or recovered: revisions of before mean nothing now",
      );
      this.#floor = 0;
      this.#feed.emit({ type: "lineageChanged", lineage: welcome.lineage });
      this.#consumer.lineageChanged();
      this.#session.lineageChanged();
    }
    this.#lineage = welcome.lineage;
    const { requestsInFlightMax } = welcome.limits;
    this.#session.up(link, requestsInFlightMax, helloAtMs);
    this.#consumer.up(link, requestsInFlightMax);
    if (this.#session.view.tag === "none") {
      // Nothing else confirms the node to a client that only reads.
      this.#connection.askAge();
    }
    for (const call of this.#readies) {
      call.resolve();
    }
    this.#readies.clear();
  }

  #elsewhere(code: ErrorCode): boolean {
    if (code === "DRAINING") {
      this.#connection.move("draining");
      return true;
    }
    return this.#connection.elsewhere(`it refused with ${code}`);
  }

  #seen(revision: number): void {
    this.#floor = Math.max(this.#floor, revision);
  }

  #list(namespace: string, application: string): ReturnType<DeclaredProviderList> {
    return this.#consumer
      .get({ namespace, application }, { timeoutMs: Number.POSITIVE_INFINITY })
      .then(
        ({ instances }) => instances,
        () => null,
      );
  }
}

type DeclaredProviderList = ConstructorParameters<typeof DeclaredProvider>[2]["list"];

function ignore(_message: never): void {}

/** Nothing throws out of an event: neither a timer of ours nor a logger of the user's. */
function safeWorld(world: ClientWorld): ClientWorld {
  const { timers } = world;
  const logger = safeLogger(world.logger);
  const guarded = (run: () => void) => (): void => {
    try {
      run();
    } catch (error) {
      logger.error({ error: String(error) }, "a fault in a timer of the SDK");
    }
  };
  return {
    ...world,
    logger,
    timers: {
      after: (delayMs, run) => timers.after(Math.ceil(delayMs), guarded(run)),
      every: (periodMs, run) => timers.every(Math.ceil(periodMs), guarded(run)),
      soon: (run) => timers.soon(guarded(run)),
    },
  };
}

function safeLogger(logger: Logger): Logger {
  const safe =
    (level: keyof Logger) =>
    (fields: object, message: string): void => {
      try {
        logger[level](fields, message);
      } catch {
        // A logger that fails has nobody to tell it to.
      }
    };
  return { debug: safe("debug"), info: safe("info"), warn: safe("warn"), error: safe("error") };
}
