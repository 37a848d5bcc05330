import type { Selector } from "../../src/registry/instance.ts";
import type {
  ClientOutput,
  DeltaBody,
  ReadAnswer,
  ReadConsistency,
  SnapshotBody,
} from "../../src/replica/inputs.ts";
import { content, keyOf, sameView, type View, viewOf } from "./canon.ts";
import { ClientLink } from "./link.ts";
import { demand } from "./violation.ts";
import type { World } from "./world.ts";

interface Asked {
  readonly consistency: ReadConsistency;
  /** What anybody had been told when the read was sent. */
  readonly revisionTold: number;
  /** What this client had seen: no answer may be older. */
  readonly floorRevision: number;
  readonly sentMs: number;
}

const SILENCE_MS_MAX = 5_000;

/**
 * A consumer that folds what its watch receives and holds it against the one history at every
 * step: ordered, once, whole, no gap, resumed on other nodes, and never back in time. It also
 * reads, and holds each answer against the history and the clock.
 */
export class SimWatcher {
  readonly name: string;
  readonly #world: World;
  readonly #selector: Selector;
  readonly #mode: "delta" | "full";
  #link: ClientLink | null = null;
  #view: View | null = null;
  #revision = 0;
  #floorRevision = 0;
  #isWritable = true;
  #lastHeardMs = 0;
  #requests = 0;
  #asked = new Map<number, Asked>();
  #deliveries = 0;
  #reads = 0;

  constructor(name: string, world: World) {
    const { prng } = world;
    this.name = name;
    this.#world = world;
    this.#mode = prng.chance(250) ? "full" : "delta";
    this.#selector = {
      namespace: "default",
      application: prng.pick(["a", "b"]),
      protocol: prng.pick([null, "http"]),
      meta: prng.chance(300) ? [["tag", "read"]] : [],
    };
  }

  get deliveries(): number {
    return this.#deliveries;
  }

  get reads(): number {
    return this.#reads;
  }

  /** Caught up with everything that has happened. */
  get isCurrent(): boolean {
    return (
      this.#view !== null &&
      sameView(this.#view, this.#world.canon.viewAt(this.#selector, this.#world.canon.revision))
    );
  }

  start(): void {
    this.#connect();
    this.#readLater();
    this.#watchdog();
    this.#stallLater();
  }

  cut(): void {
    this.#link?.cut();
  }

  reconnect(): void {
    this.#connect();
  }

  #connect(): void {
    const { prng, schedule } = this.#world;
    this.#link?.close();
    this.#link = null;
    this.#isWritable = true;
    this.#asked.clear();
    const link = ClientLink.dial(this.#world, this.#floorRevision, {
      onOutput: (output) => this.#receive(output),
      onBroken: () => this.#connect(),
    });
    if (link === null) {
      schedule.after(prng.between(20, 200), () => {
        if (this.#link === null) {
          this.#connect();
        }
      });
      return;
    }
    this.#link = link;
    this.#lastHeardMs = schedule.nowMs;
    link.send({
      type: "subscribe",
      watch: 1,
      selector: this.#selector,
      from: this.#view === null ? null : this.#revision,
      mode: this.#mode,
      allowUnknownAge: prng.chance(500),
    });
  }

  #receive(output: ClientOutput): void {
    this.#lastHeardMs = this.#world.schedule.nowMs;
    switch (output.type) {
      case "snapshot":
        this.#snapshot(output.body);
        break;
      case "delta":
        this.#delta(output.body);
        break;
      case "mark":
        this.#mark(output.revision);
        break;
      case "readReply":
        this.#answered(output.request, viewOf(output.answer.instances), output.answer);
        break;
      case "refused":
        this.#asked.delete(output.request);
        break;
      default:
        break;
    }
  }

  #snapshot(body: SnapshotBody): void {
    demand(
      body.revision >= this.#floorRevision,
      () => `${this.name} was shown revision ${body.revision} after ${this.#floorRevision}`,
    );
    this.#view = viewOf(body.instances);
    this.#moved(body.revision, "snapshot");
  }

  #delta(body: DeltaBody): void {
    const view = this.#view;
    demand(view !== null, () => `${this.name} got a delta before a snapshot`);
    demand(
      body.revision > this.#revision,
      () => `${this.name} got revision ${body.revision} after ${this.#revision}`,
    );
    for (const instance of body.remove) {
      view.delete(keyOf(instance));
    }
    for (const instance of body.put) {
      view.set(keyOf(instance), content(instance));
    }
    this.#moved(body.revision, body.collapsed === null ? "delta" : "collapsed");
  }

  /** A mark says that nothing up to it is missing. */
  #mark(revision: number): void {
    if (this.#view !== null) {
      demand(revision >= this.#revision, () => `${this.name} got a mark of the past`);
      this.#moved(revision, "mark");
    }
  }

  #moved(revision: number, by: string): void {
    this.#deliveries += 1;
    this.#revision = revision;
    this.#seen(revision);
    const view = this.#view ?? new Map();
    const expected = this.#world.canon.viewAt(this.#selector, revision);
    demand(
      sameView(view, expected),
      () =>
        `${this.name} holds ${JSON.stringify([...view])} at revision ${revision} after a ${by},` +
        ` the history says ${JSON.stringify([...expected])}`,
    );
    this.#link?.send({ type: "ack", revision });
  }

  #readLater(): void {
    const { prng, options, schedule } = this.#world;
    schedule.after(prng.between(1, options.operationMs * 4), () => {
      if (this.#link !== null && this.#asked.size < 16) {
        this.#read();
      }
      this.#readLater();
    });
  }

  #read(): void {
    const { prng, schedule, revisionTold } = this.#world;
    this.#requests += 1;
    const consistency: ReadConsistency = prng.pick([
      { type: "linearizable" },
      { type: "linearizable" },
      { type: "atLeast", revision: this.#floorRevision },
      { type: "stale", maxAgeMs: null },
      { type: "stale", maxAgeMs: prng.pick([200, 1_000]) },
    ] as const);
    this.#asked.set(this.#requests, {
      consistency,
      revisionTold,
      floorRevision: this.#floorRevision,
      sentMs: schedule.nowMs,
    });
    this.#link?.send({
      type: "read",
      request: this.#requests,
      selector: this.#selector,
      consistency,
      timeoutMs: 1_000,
    });
  }

  #answered(request: number, view: View, { revision, ageMs }: ReadAnswer): void {
    const asked = this.#asked.get(request);
    this.#asked.delete(request);
    if (asked === undefined) {
      return;
    }
    this.#reads += 1;
    demand(
      revision >= asked.floorRevision,
      () => `${this.name} read revision ${revision} after it had seen ${asked.floorRevision}`,
    );
    if (ageMs !== null && this.#link !== null) {
      // A node knows the age by its own clock, to a millisecond.
      const sinceMs = this.#link.node.clock.before(asked.sentMs, ageMs + 1);
      const told = this.#world.revisionToldAt(sinceMs);
      demand(
        revision >= told,
        () => `${this.name} read revision ${revision} of age ${ageMs} ms, ${told} is older`,
      );
    }
    if (asked.consistency.type === "linearizable") {
      demand(
        revision >= asked.revisionTold,
        () =>
          `a linearizable read of ${this.name} answered revision ${revision},` +
          ` ${asked.revisionTold} had been told before it was sent`,
      );
    }
    demand(
      sameView(view, this.#world.canon.viewAt(this.#selector, revision)),
      () => `a read of ${this.name} is not the state at the revision ${revision} that it names`,
    );
    this.#seen(revision);
  }

  #seen(revision: number): void {
    this.#floorRevision = Math.max(this.#floorRevision, revision);
    this.#world.told(revision);
  }

  /** Marks come every two seconds: a silent stream is a dead one. */
  #watchdog(): void {
    const { schedule } = this.#world;
    schedule.after(1_000, () => {
      if (schedule.nowMs - this.#lastHeardMs > SILENCE_MS_MAX) {
        this.#connect();
      }
      this.#watchdog();
    });
  }

  /** Now and then it reads slowly, and its node's socket fills. */
  #stallLater(): void {
    const { prng, schedule } = this.#world;
    schedule.after(prng.between(200, 4_000), () => {
      this.#isWritable = !this.#isWritable;
      this.#link?.send({ type: "writable", isWritable: this.#isWritable });
      this.#stallLater();
    });
  }
}
