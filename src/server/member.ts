import type { Socket } from "../env/env.ts";
import { HANDOVER_MS_MAX, WATCHES_PER_CONNECTION_MAX } from "../limits.ts";
import { confOf, memberOf } from "../raft/conf-state.ts";
import type { ConfMember, ConfState, MemberId } from "../raft/types.ts";
import type { Registry } from "../registry/registry.ts";
import type { Notice } from "../replica/inputs.ts";
import { linkedTo } from "../replica/peer-standing.ts";
import { Replica } from "../replica/replica.ts";
import type { LoadedLog, Storage } from "../storage/storage.ts";
import { commandCodec } from "../wire/command-codec.ts";
import { confCodec } from "../wire/conf-codec.ts";
import type { PeerIdentity } from "../wire/messages.ts";
import { snapshotCodec } from "../wire/snapshot-codec.ts";
import { type BackupAnswer, Backups } from "./backup.ts";
import { Clients } from "./clients.ts";
import { diskCheck } from "./disk-guard.ts";
import { Driver } from "./driver.ts";
import type { HealthCheck, HttpPages } from "./http.ts";
import { ClientsOfLaterEpochs } from "./lineage.ts";
import { LocalReads } from "./local-reads.ts";
import type { MemberOptions } from "./member-options.ts";
import { Notices } from "./notices.ts";
import { type Operation, type OperationAnswer, Operations } from "./operations.ts";
import { PeerLinks } from "./peer-links.ts";
import { SendPump } from "./send-pump.ts";
import {
  lineageOf,
  membersOf,
  type NodeStatus,
  nodeStatus,
  type SessionsStatus,
  sessionsStatus,
} from "./status.ts";
import { storedRegistry } from "./stored-registry.ts";

const RETURNING =
  "the state of this node went wrong: its log is set aside, a peer's takes its place";
/** What they ask meanwhile is not answered. */
const STRANDED_SPREAD_MS = 1_000;
/** For the closing handshakes of clients that do not answer. */
const CLOSE_MS = 500;

/** A node that is part of a cluster: replica, driver, peers and clients, joined. */
export class Member implements HttpPages {
  readonly lineage: string;
  readonly #options: MemberOptions;
  readonly #driver: Driver;
  readonly #replica: Replica;
  readonly #links: PeerLinks;
  readonly #clients: Clients;
  readonly #reads: LocalReads;
  readonly #backups: Backups;
  readonly #notices: Notices;
  readonly #storage: Storage;
  #isDraining = false;
  readonly #operations: Operations;
  /** In force. */
  #conf: ConfState;
  /** Of members and former ones. */
  readonly #names = new Map<MemberId, string>();

  private constructor(
    options: MemberOptions,
    loaded: LoadedLog,
    registry: Registry,
    storage: Storage,
  ) {
    this.#options = options;
    this.#storage = storage;
    this.lineage = lineageOf(options.birth);
    const { clock, timers, random, metrics, logger, birth, directory } = options;
    const conf = confOf(
      birth.members.map(({ name, incarnation: id }) => ({ id, name, address: "" })),
    );
    const { snapshot, ...log } = loaded;
    this.#notices = new Notices(logger, timers, metrics, (id) => this.#nameOf(id));
    const pump = new SendPump(clock, timers, (seconds) => metrics.pushSeconds.observe(seconds));
    const now = { monotonicMs: clock.monotonicMs(), wallMs: clock.wallMs() };
    this.#replica = new Replica(
      {
        id: directory.identity.incarnation,
        restored: {
          ...log,
          lostEnd: directory.returning?.lostEnd ?? null,
          snapshot: snapshot ?? { index: 0, term: 0, conf },
          registry,
        },
        joinedIndex: birth.joinedIndex,
        codec: commandCodec,
        confCodec,
        snapshotCodec,
        random: (bound) => random.below(bound),
      },
      now,
    );
    this.#driver = new Driver({
      replica: this.#replica,
      storage,
      clock,
      timers,
      pump,
      sendToPeer: (peer, messages) => this.#links.send(peer, messages),
      observer: {
        notice: (notice) => this.#noticed(notice),
        readied: (seconds) => metrics.readySeconds.observe(seconds),
      },
      setAside: (text) => directory.setAside(text),
      giveUp: (text) => directory.giveUp(text),
      onFatal: options.onFatal,
    });
    const { conf: inForce, committedConf } = this.#replica.status(now);
    this.#conf = inForce;
    this.#know(this.#former);
    this.#know(committedConf.members);
    this.#know(inForce.members);
    this.#links = this.#makeLinks();
    this.#operations = this.#makeOperations();
    this.#clients = this.#makeClients(pump);
    this.#reads = new LocalReads(this.#driver);
    const host = { ...options, reads: this.#reads, registry: this.#replica.registry };
    this.#backups = new Backups({ ...host, status: () => this.#driver.status() });
  }

  /** Verifies what is on disk and starts. Rejects with a StorageError, or as `signal` says. */
  static async start(options: MemberOptions): Promise<Member> {
    const { directory, metrics, logger, signal } = options;
    let member: Member | null = null;
    const { loaded, storage, repairs } = await directory.open({
      signal,
      onPersist: (durationMs) => metrics.fsyncSeconds.observe(durationMs / 1000),
      onFailure: (error) => member?.storageFailed(error),
    });
    for (const repair of repairs) {
      logger.warn({}, repair);
    }
    if (directory.returning !== null) {
      const { aside: kept } = directory;
      logger.warn({ kept, lost: directory.returning.lostEnd }, RETURNING);
    }
    const registry = await storedRegistry(loaded, storage, signal);
    signal.throwIfAborted();
    member = new Member(options, loaded, registry, storage);
    member.#run();
    return member;
  }

  /** Fields of every log line. */
  get logState(): Readonly<Record<string, unknown>> {
    return this.#notices.state;
  }

  /** No clients are let in: it is leaving, or of no use to them. */
  get isClosed(): boolean {
    return this.#isDraining || this.#driver.status().isStranded;
  }

  acceptPeer(socket: Socket): void {
    void this.#links.accept(socket);
  }

  acceptClient(socket: Socket): void {
    this.#clients.accept(socket);
  }

  readiness(): readonly HealthCheck[] {
    const status = this.#driver.status();
    const { leader, isCaughtUp, isReturning, doubt } = status;
    return [
      { name: "leader", failure: leader === null ? "no leader is known" : null },
      { name: "caught-up", failure: isCaughtUp ? null : "not caught up with a leader yet" },
      {
        name: "state",
        failure: isReturning
          ? "the state of a peer is to take the place of this node's own"
          : doubt === null
            ? null
            : `no state has a majority at ${doubt.index}`,
      },
      diskCheck(status),
      { name: "serving", failure: this.#isDraining ? "draining" : null },
    ];
  }

  status(): NodeStatus {
    const { name, version, birth, addresses } = this.#options;
    const replica = this.#driver.status();
    return nodeStatus({
      name,
      version,
      birth,
      leader: this.#nameOf(replica.leader),
      replica,
      links: this.#links.status(),
      addresses,
      connections: this.#clients.count,
      isDraining: this.#isDraining,
    });
  }

  sessions(): SessionsStatus {
    return sessionsStatus(this.#replica.registry);
  }

  read(...question: Parameters<LocalReads["read"]>): ReturnType<LocalReads["read"]> {
    return this.#reads.read(...question);
  }

  backup(isLinearizable: boolean): Promise<BackupAnswer> {
    return this.#backups.take(isLinearizable);
  }

  operate(operation: Operation): Promise<OperationAnswer> {
    return this.#operations.run(operation);
  }

  /** Hands over, asks the clients to go elsewhere, and gives them `drainMs` for it. */
  async drain(drainMs: number, spreadMs: number): Promise<void> {
    if (this.#isDraining) {
      return;
    }
    this.#isDraining = true;
    await this.#handOver();
    // Who has removed itself hears of no leader any more: whoever stays with it is not answered.
    const { leader } = this.#driver.status();
    this.#options.logger.info({ connections: this.#clients.count }, "draining");
    this.#sendAway("draining", leader === null ? 0 : Math.min(spreadMs, drainMs));
    await this.#clients.empty(drainMs);
  }

  #sendAway(reason: string, spreadMs: number): void {
    const { name, addresses } = this.#options;
    const others = membersOf(this.#conf, addresses).filter((member) => member.name !== name);
    this.#clients.goAway(
      reason,
      others.map((member) => member.address),
      spreadMs,
    );
  }

  /** Closes what is left, finishes the write that is out and closes the storage. */
  async stop(): Promise<void> {
    this.#isDraining = true;
    await this.#handOver();
    this.#clients.closeAll("the node stops");
    await this.#clients.empty(CLOSE_MS);
    await this.#driver.stop();
    this.#reads.stop();
    this.#links.stop();
    this.#clients.stop();
    this.#notices.flush();
    await this.#options.addresses.settled();
    await this.#storage.close();
  }

  /** After a failure: not a byte more to anybody. */
  abandon(): void {
    this.#links.abandon();
    this.#clients.stop();
    this.#reads.stop();
  }

  storageFailed(error: Error): void {
    this.#driver.storageFailed(error);
  }

  /**
   * Where this node leads: resolves when somebody else does, or when nobody can be found who would.
   * Its clients and links are as before meanwhile, so that what waits is answered by the next leader.
   */
  #handOver(): Promise<void> {
    if (this.#driver.isEnded || this.#driver.status().role !== "leader") {
      return Promise.resolve();
    }
    return new Promise((resolve) => {
      const end = (): void => {
        stop();
        timer.cancel();
        resolve();
      };
      const timer = this.#options.timers.after(HANDOVER_MS_MAX, end);
      const stop = this.#operations.onTransfer((outcome) => {
        if (outcome !== "started" && outcome !== "inProgress") {
          end();
        }
      });
      this.#driver.step({ type: "transferLeadership", to: null });
    });
  }

  #noticed(notice: Notice): void {
    if (notice.type === "configuration") {
      const moved = movedIn(this.#conf, notice.conf);
      this.#conf = notice.conf;
      this.#know(notice.conf.members);
      this.#links.setPeers(this.#linked());
      for (const id of moved) {
        this.#links.moved(id);
      }
    }
    if (notice.type === "configurationCommitted") {
      this.#links.setPeers(this.#linked());
    }
    this.#notices.take(notice);
    this.#operations.take(notice);
    if (notice.type === "stranded" && notice.isStranded) {
      this.#sendAway("its disk is full", STRANDED_SPREAD_MS);
    }
    if (notice.type === "returned") {
      void this.#returned();
    }
    if (notice.type === "removed") {
      this.#options.onRemoved();
    }
  }

  async #returned(): Promise<void> {
    try {
      await this.#options.directory.returned();
      this.#links.setPeers(this.#linked());
    } catch (error) {
      this.#driver.storageFailed(error);
    }
  }

  /** Those that were members when this node lost its log, until it has it again. */
  get #former(): readonly ConfMember[] {
    return this.#options.directory.returning?.members ?? [];
  }

  #linked(): readonly PeerIdentity[] {
    const linked = linkedTo(this.#driver.status());
    const former = this.#former.filter(({ id }) => !linked.some((peer) => peer.id === id));
    return [...linked, ...former].map(({ id, name }) => ({ name, incarnation: id }));
  }

  #know(members: readonly ConfMember[]): void {
    for (const { id, name } of members) {
      this.#names.set(id, name);
    }
    this.#options.addresses.told(members);
  }

  #nameOf(id: MemberId | null): string | null {
    return id === null ? null : (this.#names.get(id) ?? null);
  }

  #makeOperations(): Operations {
    const { name, timers, addresses } = this.#options;
    const driver = this.#driver;
    return new Operations({
      name,
      timers,
      lineage: this.lineage,
      conf: () => this.#conf,
      commitIndex: () => driver.status().commitIndex,
      addressOf: (member) => addresses.serving(member),
      nameOf: (id) => this.#nameOf(id),
      isLeader: () => driver.status().role === "leader",
      leader: () => {
        const leader = this.#nameOf(driver.status().leader);
        const address = leader === null ? null : addresses.serving(leader);
        return leader === null || address === null ? null : { name: leader, address };
      },
      step: (input) => driver.step(input),
    });
  }

  #run(): void {
    const { metrics, disk } = this.#options;
    metrics.observe(() => ({
      replica: this.#driver.status(),
      links: this.#links.status(),
      disk: disk.status,
      connections: this.#clients.count,
      traffic: this.#clients.traffic,
      nameOf: (id) => this.#nameOf(id),
    }));
    disk.begin(this.#driver);
    this.#driver.start();
    this.#links.start();
  }

  #makeLinks(): PeerLinks {
    const { name, birth, directory, addresses } = this.#options;
    return new PeerLinks({
      ...this.#options,
      self: { name, incarnation: directory.identity.incarnation },
      cluster: birth,
      peers: this.#linked(),
      known: () => this.#driver.status(),
      joinedIndex: birth.joinedIndex,
      addressesOf: (peer, guestAt) => addresses.dialable(peer, guestAt),
      onAdvertised: (peer, address) => addresses.heard(peer, address),
      onMessage: (message) => this.#driver.step({ type: "peerMessage", message }),
      onLink: (peer, isUp) => this.#driver.step({ type: "peerLink", peer, isUp }),
      onGone: (peer, isGone) => this.#driver.step({ type: "peerGone", peer, isGone }),
    });
  }

  #makeClients(pump: SendPump): Clients {
    const { name, addresses, timers, random, birth, logger } = this.#options;
    const driver = this.#driver;
    const laterEpochs = new ClientsOfLaterEpochs(birth, logger);
    return new Clients({
      driver,
      pump,
      timers,
      host: {
        nodeName: name,
        lineage: this.lineage,
        timers,
        random,
        watchCountMax: WATCHES_PER_CONNECTION_MAX,
        step: (input) => driver.step(input),
        revision: () => this.#replica.registry.revision,
        leaderName: () => this.#nameOf(driver.status().leader),
        members: () => membersOf(this.#conf, addresses),
        refusalOf: (lineage) => laterEpochs.refusalOf(lineage),
      },
    });
  }
}

/** Who is somewhere else now. */
function movedIn(before: ConfState, now: ConfState): readonly MemberId[] {
  return now.members
    .filter(({ id, address }) => (memberOf(before, id)?.address ?? address) !== address)
    .map(({ id }) => id);
}
