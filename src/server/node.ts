import type { HttpRequest, Listener, Logger, Timers } from "../env/env.ts";
import { listen } from "../env/ws-listener.ts";
import { EXIT } from "../errors.ts";
import { HANDSHAKE_TIMEOUT_MS, HTTP_PIPELINED_MAX, HTTP_SILENCE_MS_MAX } from "../limits.ts";
import { type DataDirectory, isUnmade, openDirectory } from "../storage/directory.ts";
import { REMOVED_ADVICE } from "../storage/recovery-advice.ts";
import { type Membership, StorageError } from "../storage/storage.ts";
import { assert } from "../util/assert.ts";
import { formatAddress } from "./address.ts";
import { AddressBook } from "./address-book.ts";
import { Admission } from "./admission.ts";
import type { Birth } from "./birth.ts";
import type { NodeConfig } from "./config.ts";
import { DiskGuard } from "./disk-guard.ts";
import {
  beBorn,
  birthOf,
  type Entrance,
  hasNoCluster,
  joinCluster,
  joinOf,
  notOfACluster,
} from "./entering.ts";
import { endOfEpoch } from "./epoch-end.ts";
import { type Healing, startHealed } from "./healing.ts";
import { answerHttp, type HealthCheck, type HttpHost } from "./http.ts";
import type { Join } from "./join.ts";
import { type LogHost, logHostOf } from "./log-page.ts";
import { LogReads } from "./log-reads.ts";
import { Machine } from "./machine.ts";
import type { Member } from "./member.ts";
import type { MemberOptions } from "./member-options.ts";
import { Metrics } from "./metrics.ts";
import { environmentOf, type NodeEnd, type NodeEnvironment } from "./node-environment.ts";
import { configurationError, exitCodeOf, NodeError } from "./node-error.ts";
import { PageTurns } from "./page-turns.ts";
import { Promotion } from "./promotion.ts";
import { Scrubber } from "./scrubber.ts";
import type { NodeStatus } from "./status.ts";
import { decideUpgrade, type UpgradeHost } from "./upgrades.ts";
import { packageVersion } from "./version.ts";
import { WebAccess } from "./web-access.ts";

/** A running node. */
export interface NodeHandle {
  readonly name: string;
  /** `host:port` where it listens. */
  readonly address: string;
  /** Resolves when it is born and serves; rejects when it ended before. */
  readonly serving: Promise<void>;
  /** Resolves when it has ended, for whatever reason. */
  readonly ended: Promise<NodeEnd>;
  /** Fields that change, for every log line: role and term. */
  logState(): Readonly<Record<string, unknown>>;
  /** Null until it is born. */
  status(): NodeStatus | null;
  /** Lets clients leave, then stops. */
  drain(): Promise<void>;
  stop(): Promise<void>;
}

type NodeState =
  | { readonly type: "starting" }
  | { readonly type: "birth"; readonly waiting: Birth }
  | { readonly type: "join"; readonly waiting: Join }
  | { readonly type: "healing"; readonly waiting: Healing }
  | { readonly type: "serving"; readonly member: Member }
  | { readonly type: "stopped" };

/**
 * Listens, opens the data directory, is born if it has to be, and serves. Resolves once it listens
 * and has the directory; rejects with a `NodeError` or a `StorageError` (`exitCodeOf`). What is
 * refused for its configuration or its port has written nothing.
 */
export async function startNode(
  config: NodeConfig,
  environment: Partial<NodeEnvironment> = {},
): Promise<NodeHandle> {
  if (hasNoCluster(config) && (await isUnmade(config.dataDir))) {
    throw notOfACluster(config);
  }
  const node = new RunningNode(config, environment);
  await node.listen();
  try {
    await node.open();
  } catch (error) {
    await node.abandon();
    throw error;
  }
  node.run();
  return node;
}

class RunningNode implements NodeHandle, HttpHost, UpgradeHost {
  readonly name: string;
  readonly version = packageVersion();
  readonly metrics = new Metrics();
  readonly access: WebAccess;
  readonly turns: PageTurns;
  readonly logReads: LogReads;
  readonly machine: Machine;
  readonly admission: Admission;
  readonly serving: Promise<void>;
  readonly ended: Promise<NodeEnd>;
  readonly #config: NodeConfig;
  readonly #environment: NodeEnvironment;
  #listener: Listener | null = null;
  /** Null until `open`. */
  #directory: DataDirectory | null = null;
  /** Null until `open`. */
  #disk: DiskGuard | null = null;
  #state: NodeState = { type: "starting" };
  #end: NodeEnd | null = null;
  #whenStopped: NodeEnd = { exitCode: EXIT.ok, error: null };
  #stopping: Promise<void> | null = null;
  readonly #stopped = new AbortController();
  /** Until it serves. Never rejects. */
  #becoming: Promise<void> | null = null;
  #promotion: Promotion | null = null;
  #scrubber: Scrubber | null = null;
  #settleServing: { resolve: () => void; reject: (error: unknown) => void };
  #settleEnded: (end: NodeEnd) => void;

  constructor(config: NodeConfig, given: Partial<NodeEnvironment>) {
    this.name = config.id;
    this.#config = config;
    this.access = new WebAccess(config);
    this.#environment = environmentOf(config, given, () => this.logState());
    this.turns = new PageTurns(this.#environment.timers);
    this.logReads = new LogReads(this.#environment.timers);
    this.machine = new Machine(config.dataDir, this.#environment.clock, this.#environment.timers);
    this.admission = new Admission(this.#environment.openFilesMax, this.logger);
    this.#settleServing = { resolve: () => {}, reject: () => {} };
    this.serving = new Promise((resolve, reject) => {
      this.#settleServing = { resolve, reject };
    });
    // Who does not ask must not be told by an unhandled rejection; `ended` says it too.
    this.serving.catch(() => {});
    this.#settleEnded = () => {};
    this.ended = new Promise((resolve) => {
      this.#settleEnded = resolve;
    });
  }

  get logger(): Logger {
    return this.#environment.logger;
  }

  get address(): string {
    const listener = this.#listener;
    return listener === null
      ? formatAddress(this.#config.listen)
      : formatAddress({ host: this.#config.listen.host, port: listener.port });
  }

  get timers(): Timers {
    return this.#environment.timers;
  }

  get connections(): number {
    return this.#listener?.connections ?? 0;
  }

  birth(): Birth | null {
    return this.#state.type === "birth" ? this.#state.waiting : null;
  }

  logState(): Readonly<Record<string, unknown>> {
    return this.#state.type === "serving" ? this.#state.member.logState : {};
  }

  status(): NodeStatus | null {
    return this.#state.type === "serving" ? this.#state.member.status() : null;
  }

  pages(): Member | null {
    return this.#state.type === "serving" ? this.#state.member : null;
  }

  log(): LogHost | null {
    switch (this.#state.type) {
      case "serving":
        return this.#directory && logHostOf(this.#state.member, this.#directory.source);
      case "healing":
        return this.#state.waiting.logHost;
      default:
        return null;
    }
  }

  readiness(): readonly HealthCheck[] {
    switch (this.#state.type) {
      case "serving":
        return [{ name: "born", failure: null }, ...this.#state.member.readiness()];
      case "birth":
      case "join":
        return [{ name: "born", failure: this.#state.waiting.waitingFor() }];
      case "healing":
        return [{ name: "log", failure: this.#state.waiting.waitingFor() }];
      case "starting":
        return this.#directory?.birth == null
          ? [{ name: "born", failure: "starting" }]
          : [{ name: "started", failure: "reading the log" }];
      default:
        return [{ name: "started", failure: "stopped" }];
    }
  }

  async listen(): Promise<void> {
    const { host, port } = this.#config.listen;
    try {
      this.#listener = await listen({
        host,
        port,
        handshakeTimeoutMs: HANDSHAKE_TIMEOUT_MS,
        silenceMsMax: HTTP_SILENCE_MS_MAX,
        pipelinedMax: HTTP_PIPELINED_MAX,
        connectionsMax: this.admission.connectionsMax,
        onDropped: () => this.admission.full(this.connections),
        onUpgrade: (upgrade) => decideUpgrade(this, upgrade),
        onRequest: (request: HttpRequest) => answerHttp(this, request),
      });
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code ?? "";
      const why = code === "EADDRINUSE" ? "something listens there already" : String(error);
      throw configurationError(
        `cannot listen on ${host}:${port}: ${why}`,
        "choose another --listen HOST:PORT (--port with 'rollcall dev')",
        { cause: error },
      );
    }
  }

  async open(): Promise<void> {
    const { dataDir, id } = this.#config;
    this.#disk = await DiskGuard.open({ ...this.#environment, ...this.#config });
    this.#directory = await openDirectory(dataDir, id, this.#environment.random);
    if (this.#directory.birth === null && hasNoCluster(this.#config)) {
      throw notOfACluster(this.#config);
    }
  }

  /** Lets go of the port and the directory of a node that does not get to run. */
  async abandon(): Promise<void> {
    this.#state = { type: "stopped" };
    await Promise.allSettled([this.#listener?.close(), this.#directory?.close()]);
  }

  /** Goes on in the background; how it ends is told by `serving` and `ended`. */
  run(): void {
    this.#becoming = this.#become().catch((error: unknown) => {
      // It was cut short.
      if (this.#stopping === null) this.#fail(exitCodeOf(error), error);
    });
  }

  async drain(): Promise<void> {
    if (this.#state.type === "serving") {
      await this.#state.member.drain(this.#config.drainMs, this.#config.goawaySpreadMs);
    }
    await this.stop();
  }

  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  async #stop(): Promise<void> {
    const state = this.#state;
    this.#stopped.abort();
    this.#listener?.stop();
    this.#fallSilent(state);
    try {
      if (state.type === "serving") {
        await state.member.stop();
      }
      this.#state = { type: "stopped" };
      await this.#listener?.close();
      // What is under way may write to the directory, open it once more, and begin to watch the disk.
      // Until it has ended, no other process may start on it.
      await this.#becoming;
      await this.#disk?.stop();
      await this.#directory?.close();
      this.#environment.logger.info({}, "stopped");
      this.#finish(this.#whenStopped);
    } catch (error) {
      this.#fail(exitCodeOf(error), error);
    }
  }

  async #become(): Promise<void> {
    const { logger } = this.#environment;
    const [directory, disk] = [this.#directory, this.#disk];
    assert(directory !== null && disk !== null, "a node runs on the directory that it has opened");
    const advertise = this.#config.advertise ?? this.address;
    const { name } = this;
    logger.info({ address: this.address, advertise, version: this.version }, "listening");
    const addresses = await AddressBook.open({
      dataDir: this.#config.dataDir,
      self: { name, address: advertise },
      overrides: this.#config.peers,
      configured: this.#config.bootstrap,
      logger,
    });
    const birth = directory.birth ?? (await this.#enter({ directory, advertise, addresses }));
    if (birth === null || this.#stopping !== null) {
      return;
    }
    for (const { name: member, address } of this.#config.bootstrap) {
      if (member !== name && addresses.dialable(member).length === 1) {
        addresses.heard(member, address);
      }
    }
    const member = await this.#startMember({
      ...this.#environment,
      name,
      version: this.version,
      advertise,
      birth,
      directory,
      addresses,
      metrics: this.metrics,
      disk,
      signal: this.#stopped.signal,
      onRemoved: () => void this.#leave(birth.clusterId),
      onSuperseded: (told) =>
        void endOfEpoch(name, this.#directory ?? directory, birth, told).then((end) =>
          this.#fail(end.exitCode, end),
        ),
      onFatal: (exitCode, error) => this.#fail(exitCode, error),
    });
    if (member === null || this.#stopping !== null) {
      await member?.stop();
      return;
    }
    this.#state = { type: "serving", member };
    this.#scrubber = new Scrubber({
      ...this.#environment,
      directory: this.#directory ?? directory,
      metrics: this.metrics,
    });
    this.machine.scrubbedBy(this.#scrubber);
    logger.info({ cluster: birth.clusterId, members: birth.members.length }, "serving");
    this.#settleServing.resolve();
    if (this.#config.join.length > 0 && !this.#config.learner) {
      const { timers } = this.#environment;
      this.#promotion = new Promotion({ timers, logger, status: () => member.status() });
    }
  }

  /** Null when it was stopped before. */
  async #startMember(options: MemberOptions): Promise<Member | null> {
    const { dataDir, id } = this.#config;
    return startHealed(options, {
      onHealing: (waiting) => this.#waits({ type: "healing", waiting }),
      reopen: async () => {
        this.#directory = await openDirectory(dataDir, id, this.#environment.random);
        return this.#directory;
      },
    });
  }

  #waits(state: Extract<NodeState, { readonly waiting: unknown }>): void {
    if (this.#stopping === null) this.#state = state;
    else state.waiting.stop();
  }

  /** Null when it was stopped before. */
  #enter(place: Entrance): Promise<Membership | null> {
    const entering = { ...this.#environment, config: this.#config, ...place };
    if (this.#config.join.length > 0) {
      const join = joinOf(entering);
      this.#waits({ type: "join", waiting: join });
      return joinCluster(entering, join);
    }
    const birth = birthOf(entering);
    this.#waits({ type: "birth", waiting: birth });
    return beBorn(entering, birth);
  }

  /** Clients are sent to those that are members still. It is told more than once. */
  async #leave(clusterId: string): Promise<void> {
    if (this.#whenStopped.error !== null) {
      return;
    }
    const text = `${this.name} was removed from cluster ${clusterId}`;
    const error = new NodeError(EXIT.configuration, text, REMOVED_ADVICE);
    this.#environment.logger.error({ hint: error.hint }, error.message);
    this.#whenStopped = { exitCode: error.exitCode, error };
    try {
      await this.#directory?.leave(text);
    } catch (cause) {
      // It is told again by the others, whenever it starts.
      this.#environment.logger.warn({ err: cause }, "that it was removed cannot be written down");
    }
    await this.drain();
  }

  #fail(exitCode: number, error: unknown): void {
    if (this.#end !== null) {
      return;
    }
    const end = { exitCode, error };
    const state = this.#state;
    this.#state = { type: "stopped" };
    const text = error instanceof Error ? error.message : String(error);
    const hint = error instanceof NodeError || error instanceof StorageError ? error.hint : "";
    // A refusal to run says all in its message; a stack is for what was not foreseen.
    const fields = error instanceof NodeError ? { exitCode, hint } : { exitCode, hint, err: error };
    this.#environment.logger.error(fields, `the node ends: ${text}`);
    this.#environment.onFatal(end);
    // Where the process lives on (several nodes in one program), this one falls silent.
    if (state.type === "serving") {
      state.member.abandon();
    }
    this.#fallSilent(state);
    const closing = [this.#listener?.close(), this.#disk?.stop(), this.#directory?.close()];
    void Promise.allSettled(closing).then(() => this.#finish(end));
  }

  #fallSilent(state: NodeState): void {
    this.#promotion?.stop();
    this.#scrubber?.stop();
    if ("waiting" in state) state.waiting.stop();
  }

  #finish(end: NodeEnd): void {
    if (this.#end === null) {
      this.#end = end;
      this.#settleServing.reject(end.error ?? new Error("the node was stopped"));
      this.#settleEnded(end);
    }
  }
}
