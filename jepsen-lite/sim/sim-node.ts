import { TICK_MS } from "../../src/limits.ts";
import type { Alarm, PersistRequest } from "../../src/raft/types.ts";
import type { DiskState } from "../../src/replica/disk-states.ts";
import type { Input, Output } from "../../src/replica/inputs.ts";
import { Replica } from "../../src/replica/replica.ts";
import type { ReplicaStatus } from "../../src/replica/status.ts";
import { WATCH_LIMITS } from "../../src/replica/watches.ts";
import type { MemoryLog } from "../../src/storage/memory-storage.ts";
import { commandCodec } from "../../src/wire/command-codec.ts";
import { confCodec } from "../../src/wire/conf-codec.ts";
import { snapshotCodec } from "../../src/wire/snapshot-codec.ts";
import { SimClock } from "./clock.ts";
import { SimDisk } from "./disk.ts";
import { restoredOf } from "./restored.ts";
import { SimStorage } from "./sim-storage.ts";
import type { World } from "./world.ts";

interface Now {
  readonly monotonicMs: number;
  readonly wallMs: number;
}

/** One member: a real replica, a disk that survives it, and a clock of its own. */
export class SimNode {
  readonly id: string;
  readonly disk: SimDisk;
  readonly #world: World;
  readonly #voters: readonly string[];
  #replica: Replica | null = null;
  /** Null while it is down. */
  #storage: SimStorage | null = null;
  /** Counts starts; what was scheduled for an earlier one is void. */
  #start = 0;
  #isFlushDue = false;
  #pausedUntilMs = 0;
  #hangsUntilMs = 0;
  /** Of the room on its disk, which no crash changes. */
  #room: DiskState = "ok";
  /** Counts changes; what was to end an earlier one is void. */
  #fills = 0;
  /** In a row, in each of which it led while its disk hung. */
  #stuckTicks = 0;
  #backlog: Input[] = [];
  #clock = new SimClock(0, 0, 1);

  constructor(id: string, voters: readonly string[], world: World) {
    this.id = id;
    this.disk = new SimDisk(id);
    this.#voters = voters;
    this.#world = world;
  }

  get isUp(): boolean {
    return this.#replica !== null;
  }

  get isPaused(): boolean {
    return this.#pausedUntilMs > this.#world.schedule.nowMs;
  }

  /** Something of its own holds it up, if only its disk. */
  get isHeldUp(): boolean {
    return !this.isUp || this.isPaused || this.#hangsUntilMs > this.#world.schedule.nowMs;
  }

  status(): ReplicaStatus | null {
    return this.#replica?.status(this.#now()) ?? null;
  }

  start(): void {
    const { prng, options, schedule, fault } = this.#world;
    this.#start += 1;
    const rate = 1 + prng.between(-options.driftMax, options.driftMax) / 1000;
    this.#clock = new SimClock(schedule.nowMs, prng.below(10_000_000), rate);
    this.#pausedUntilMs = 0;
    this.#hangsUntilMs = 0;
    this.#stuckTicks = 0;
    this.#backlog = [];
    this.#isFlushDue = false;
    const opened = this.disk.start();
    this.#world.invariants.durable(this);
    this.#storage = this.#storageOf(opened.log);
    this.#replica = new Replica(
      {
        id: this.id,
        restored: restoredOf(opened, this.#voters),
        codec: fault?.node === this.id ? fault.codec : commandCodec,
        snapshotCodec,
        confCodec,
        random: (bound) => prng.below(bound),
        watchLimits: { ...WATCH_LIMITS, historyChangesMax: options.historyChangesMax },
        snapshotLimits: options.snapshots,
        checkpointEntries: options.checkpointEntries,
      },
      this.#now(),
    );
    if (this.#room !== "ok") this.input({ type: "disk", state: this.#room });
    this.#tickLater();
    this.#flushLater();
  }

  /** The process dies, or its machine with what was not synced. */
  crash(isPowerCut: boolean): void {
    this.#replica = null;
    this.#storage = null;
    this.#start += 1;
    this.disk.crash(isPowerCut, this.#world.prng);
  }

  get clock(): SimClock {
    return this.#clock;
  }

  /** Where the clock stops, too, the node cannot know how long it stood. */
  pause(forMs: number, isClockStopped: boolean): void {
    const { schedule } = this.#world;
    this.#pausedUntilMs = schedule.nowMs + forMs;
    if (isClockStopped) {
      this.#clock.stop(schedule.nowMs);
    }
    this.#later(forMs, () => {
      if (isClockStopped) {
        this.#clock.go(schedule.nowMs);
      }
      this.#resume();
    });
  }

  /** Writes that are out or begin now complete only after it. */
  hangDisk(forMs: number): void {
    this.#hangsUntilMs = Math.max(this.#hangsUntilMs, this.#world.schedule.nowMs + forMs);
  }

  fillDisk(state: DiskState, forMs: number): void {
    this.#become(state);
    const fills = this.#fills;
    this.#world.schedule.after(forMs, () => {
      if (this.#fills === fills) this.makeRoom();
    });
  }

  makeRoom(): void {
    if (this.#room !== "ok") this.#become("ok");
  }

  #become(state: DiskState): void {
    this.#fills += 1;
    this.#room = state;
    this.input({ type: "disk", state });
  }

  input(input: Input): void {
    if (this.#replica === null) {
      return;
    }
    if (this.isPaused) {
      this.#backlog.push(input);
      return;
    }
    const before = this.#room === "full" ? this.status() : null;
    this.#replica.step(input, this.#now());
    if (before !== null) this.#world.invariants.tookNothingOnFullDisk(this, before);
    this.#flushLater();
  }

  /** After a stall the timer comes first, then what has piled up in the sockets. */
  #resume(): void {
    const backlog = this.#backlog;
    this.#backlog = [];
    this.input({ type: "tick" });
    for (const input of backlog) {
      this.input(input);
    }
  }

  #tickLater(): void {
    this.#later(this.#clock.durationMs(TICK_MS), () => {
      if (!this.isPaused) {
        this.input({ type: "tick" });
        const isHanging = this.#hangsUntilMs > this.#world.schedule.nowMs;
        const isLeader = this.status()?.role === "leader";
        const isStuck = isHanging && isLeader && this.#storage?.isWritingEntries === true;
        this.#stuckTicks = isStuck ? this.#stuckTicks + 1 : 0;
        this.#world.invariants.stuck(this, this.#stuckTicks);
      }
      this.#tickLater();
    });
  }

  #flushLater(): void {
    if (!this.#isFlushDue) {
      this.#isFlushDue = true;
      this.#later(0, () => {
        this.#isFlushDue = false;
        if (this.#replica !== null && !this.isPaused) {
          for (const outputs of this.#replica.ready(this.#now())) {
            this.#take(outputs);
          }
          this.#world.invariants.stepped(this);
        }
      });
    }
  }

  #take(outputs: readonly Output[]): void {
    for (const output of outputs) {
      this.#world.trace(this.id, output);
      switch (output.type) {
        case "persist":
          this.#persist(output.request);
          break;
        case "readChunk":
          this.#storage?.readChunk(output.request, (read) => {
            this.input({ type: "chunkRead", ...read });
          });
          break;
        case "send":
          this.#world.network.send(output.message);
          break;
        case "client":
          this.#world.toClient(this, output.output);
          break;
        case "alarm":
          this.#setAlarm(output.alarm);
          break;
        case "notice":
          this.#world.invariants.notice(this, output.notice);
          break;
        case "diverged":
          this.#world.invariants.diverged(this, output.divergence);
          this.#world.crash(this, false);
          break;
      }
    }
  }

  /** Only the last one counts, to the replica as well. */
  #setAlarm({ number, afterMs }: Alarm): void {
    this.#later(this.#clock.durationMs(afterMs), () => this.input({ type: "alarm", number }));
  }

  #persist(request: PersistRequest): void {
    this.#storage?.persist(request, () => {
      this.#world.invariants.durable(this);
      this.input({ type: "persisted", write: request.write });
    });
  }

  #storageOf(log: MemoryLog): SimStorage {
    const { prng, schedule, options } = this.#world;
    return new SimStorage(this.disk, log, {
      later: (delayMs, run) => this.#later(delayMs, run),
      delayMs: () => prng.between(options.disk.delayMsMin, options.disk.delayMsMax),
      stallMs: () => Math.max(this.#hangsUntilMs, this.#pausedUntilMs) - schedule.nowMs,
    });
  }

  #later(delayMs: number, run: () => void): void {
    const start = this.#start;
    this.#world.schedule.after(delayMs, () => {
      if (this.#start === start) {
        run();
      }
    });
  }

  #now(): Now {
    const { nowMs } = this.#world.schedule;
    return { monotonicMs: Math.floor(this.#clock.read(nowMs)), wallMs: nowMs };
  }
}
