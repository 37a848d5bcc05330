import type { Selector } from "../../src/registry/instance.ts";
import type { ClientOutput, DeltaBody, SnapshotBody } from "../../src/replica/inputs.ts";
import { keyOf, sameView, type View, viewOf } from "./canon.ts";
import { ClientLink } from "./link.ts";
import { SimReader } from "./sim-reader.ts";
import type { World } from "./world.ts";

const SILENCE_MS_MAX = 5_000;

/**
 * A consumer that folds what its watch receives, goes on where it was on other nodes, and reads. It
 * writes down what it is told, and judges nothing.
 */
export class SimWatcher {
  readonly name: string;
  readonly #world: World;
  readonly #selector: Selector;
  readonly #mode: "delta" | "full";
  readonly #reader: SimReader;
  #link: ClientLink | null = null;
  #stream = 0;
  #view: View | null = null;
  #revision = 0;
  #floorRevision = 0;
  #isWritable = true;
  #lastHeardMs = 0;
  #deliveries = 0;

  constructor(name: string, world: World) {
    const { prng } = world;
    this.name = name;
    this.#world = world;
    this.#reader = new SimReader(world, name);
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
    return this.#reader.answered;
  }

  /** Caught up with everything that has happened. */
  get isCurrent(): boolean {
    return this.#view !== null && sameView(this.#view, this.#world.canon.view(this.#selector));
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
    const { prng, recorder, schedule } = this.#world;
    this.#link?.close();
    this.#link = null;
    this.#isWritable = true;
    this.#reader.forget();
    const link: ClientLink | null = ClientLink.dial(this.#world, this.#floorRevision, {
      onOutput: (output) => {
        if (link !== null) this.#receive(link, output);
      },
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
    this.#stream = recorder.stream();
    const [selector, mode] = [this.#selector, this.#mode];
    const view = this.#view;
    recorder.record({
      type: "subscribe",
      stream: this.#stream,
      process: this.name,
      selector,
      from: view === null ? null : { revision: this.#revision, view: [...view] },
      mode,
    });
    const from = view === null ? null : this.#revision;
    const allowUnknownAge = prng.chance(500);
    link.send({ type: "subscribe", watch: 1, selector, from, mode, allowUnknownAge });
  }

  #receive(link: ClientLink, output: ClientOutput): void {
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
        this.#seen(output.answer.revision);
        this.#reader.reply(link, output.request, output.answer);
        break;
      case "refused":
        this.#reader.refused(output.request);
        break;
      default:
        break;
    }
  }

  #snapshot({ revision, instances, isReset }: SnapshotBody): void {
    const view = viewOf(instances);
    const stream = this.#stream;
    this.#world.recorder.record({ type: "snapshot", stream, revision, view, isReset });
    this.#view = new Map(view);
    this.#moved(revision);
  }

  #delta({ revision, put, remove, collapsed }: DeltaBody): void {
    const view = this.#view ?? new Map<string, string>();
    const puts = viewOf(put);
    const removes = remove.map(keyOf);
    const body = { put: puts, remove: removes, collapsed };
    this.#world.recorder.record({ type: "delta", stream: this.#stream, revision, ...body });
    for (const key of removes) {
      view.delete(key);
    }
    for (const [key, text] of puts) {
      view.set(key, text);
    }
    this.#view = view;
    this.#moved(revision);
  }

  #mark(revision: number): void {
    this.#world.recorder.record({ type: "mark", stream: this.#stream, revision });
    if (this.#view !== null) {
      this.#moved(revision);
    }
  }

  #moved(revision: number): void {
    this.#deliveries += 1;
    this.#revision = revision;
    this.#seen(revision);
    this.#link?.send({ type: "ack", revision });
  }

  #readLater(): void {
    const { prng, options, schedule } = this.#world;
    schedule.after(prng.between(1, options.operationMs * 4), () => {
      if (this.#link !== null) {
        this.#reader.read(this.#link, this.#selector, this.#floorRevision);
      }
      this.#readLater();
    });
  }

  #seen(revision: number): void {
    this.#floorRevision = Math.max(this.#floorRevision, revision);
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
