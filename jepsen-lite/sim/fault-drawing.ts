import type { Prng } from "../prng.ts";
import { ChurnDrawing, type MemberTargets } from "./churn-drawing.ts";
import type { CutShape, Fault, FaultKind, FaultSource } from "./fault.ts";
import type { SimOptions } from "./options.ts";

/** What a drawn fault is aimed at. */
export interface Targets extends MemberTargets {
  readonly clients: readonly string[];
  readonly watchers: readonly string[];
}

type Draw = (nowMs: number) => readonly FaultKind[];

/** A joint configuration is in force for about so long. */
const INTERRUPTION_MS_MAX = 200;

/**
 * Draws faults, each kind at its own mean rate, by a chance of its own: which faults happen changes
 * nothing else that a run draws.
 */
export class DrawnFaults implements FaultSource {
  readonly #prng: Prng;
  readonly #targets: Targets;
  readonly #churn: ChurnDrawing;
  /** When something may come in the middle of the last change of members. */
  #interruptionMs = Number.POSITIVE_INFINITY;
  readonly #kinds: { readonly meanMs: number; readonly draw: Draw; nextMs: number }[];

  constructor(options: SimOptions, prng: Prng, targets: Targets) {
    const { faults } = options;
    this.#prng = prng;
    this.#targets = targets;
    this.#churn = new ChurnDrawing(options, prng, targets);
    const all: readonly (readonly [number, Draw])[] = [
      [faults.crashMs, () => this.#crash()],
      [faults.partitionMs, () => this.#cut()],
      [faults.pauseMs, () => this.#pause()],
      [faults.clientMs, () => this.#client()],
      [faults.linkMs, () => this.#link()],
      [faults.stormMs, () => [{ type: "storm" }]],
      [faults.transferMs, () => this.#transfer()],
      [faults.hangMs, () => this.#hang()],
      [faults.churnMs, (nowMs) => this.#change(nowMs)],
      [faults.asideMs, () => this.#aside()],
      [faults.fillMs, () => this.#fill()],
    ];
    this.#kinds = all
      .filter(([meanMs]) => meanMs > 0)
      .map(([meanMs, draw]) => ({ meanMs, draw, nextMs: prng.between(1, 2 * meanMs) }));
  }

  get nextMs(): number | null {
    const nextMs = Math.min(this.#interruptionMs, ...this.#kinds.map((kind) => kind.nextMs));
    return nextMs === Number.POSITIVE_INFINITY ? null : nextMs;
  }

  take(nowMs: number): readonly Fault[] {
    const drawn: Fault[] = [];
    for (const kind of this.#kinds) {
      if (kind.nextMs <= nowMs) {
        drawn.push(...kind.draw(nowMs).map((fault) => ({ atMs: nowMs, ...fault })));
        kind.nextMs = nowMs + this.#prng.between(1, 2 * kind.meanMs);
      }
    }
    if (this.#interruptionMs <= nowMs) {
      this.#interruptionMs = Number.POSITIVE_INFINITY;
      drawn.push(...this.#churn.interrupt().map((fault) => ({ atMs: nowMs, ...fault })));
    }
    return drawn;
  }

  #change(nowMs: number): readonly FaultKind[] {
    this.#interruptionMs = nowMs + this.#prng.between(1, INTERRUPTION_MS_MAX);
    return this.#churn.draw();
  }

  /** The leader half of the time. */
  #node(): string {
    const leader = this.#targets.leader;
    return leader !== null && this.#prng.chance(500)
      ? leader
      : this.#prng.pick(this.#targets.nodes);
  }

  /** Now and then everybody at once; now and then for so long that the others move on. */
  #crash(): FaultKind[] {
    const victims = this.#prng.chance(100) ? this.#targets.nodes : [this.#node()];
    const longestMs = this.#prng.chance(200) ? 8_000 : 3_000;
    const isPowerCut = this.#prng.chance(500);
    return victims.map((node) => ({
      type: "crash",
      node,
      forMs: this.#prng.between(0, longestMs),
      isPowerCut,
    }));
  }

  #cut(): FaultKind[] {
    const { nodes } = this.#targets;
    const shapes: CutShape[] = ["halves", "halves", "oneWay", "edge"];
    if (nodes.length >= 3) shapes.push("bridge");
    if (nodes.length >= 4) shapes.push("ring", "ring");
    const shape = this.#prng.pick(shapes);
    const isOpen = openEdges(shape, nodes, this.#prng);
    const edges = nodes.flatMap((from) =>
      nodes.filter((to) => from !== to && !isOpen(from, to)).map((to) => `${from}>${to}`),
    );
    const longestMs = this.#prng.chance(200) ? 8_000 : 4_000;
    return [{ type: "cut", shape, edges, forMs: this.#prng.between(100, longestMs) }];
  }

  #pause(): FaultKind[] {
    const node = this.#prng.pick(this.#targets.nodes);
    const forMs = this.#prng.between(50, 4_000);
    return [{ type: "pause", node, forMs, isClockStopped: this.#prng.chance(300) }];
  }

  #client(): FaultKind[] {
    const client = this.#prng.pick(this.#targets.clients);
    const watcher = this.#prng.pick(this.#targets.watchers);
    const forMs = this.#prng.between(100, 5_000);
    switch (this.#prng.below(6)) {
      case 0:
        return [{ type: "clientKill", client, forMs }];
      case 1:
        return [{ type: "clientVanish", client, forMs }];
      case 2:
        return [{ type: "clientPause", client, forMs }];
      case 3:
        return [{ type: "clientCut", client }];
      case 4:
        return [{ type: "watcherCut", watcher }];
      default:
        return [{ type: "watcherMove", watcher }];
    }
  }

  /** A socket between two nodes breaks. */
  #link(): FaultKind[] {
    const from = this.#prng.pick(this.#targets.nodes);
    const to = this.#prng.pick(this.#targets.nodes);
    return from === to ? [] : [{ type: "link", from, to }];
  }

  /** An operator's wish, told to whoever: mostly to the leader, mostly without a name. */
  #transfer(): FaultKind[] {
    const { nodes } = this.#targets;
    const leader = this.#targets.leader;
    const asked = leader !== null && this.#prng.chance(900) ? leader : this.#prng.pick(nodes);
    const to = this.#prng.chance(700) ? null : this.#prng.pick(nodes);
    return [{ type: "transfer", asked, to }];
  }

  #aside(): FaultKind[] {
    const forMs = this.#prng.between(0, 2_000);
    return [{ type: "aside", node: this.#node(), forMs, isPowerCut: this.#prng.chance(500) }];
  }

  /** Members hold the same, so their disks often fill up together, if not in the same moment. */
  #fill(): FaultKind[] {
    const nodes = this.#prng.chance(300) ? this.#targets.nodes : [this.#node()];
    const longestMs = this.#prng.chance(300) ? 12_000 : 4_000;
    return nodes.map((node) => {
      const state = this.#prng.chance(500) ? "full" : "low";
      return { type: "fill", node, state, forMs: this.#prng.between(100, longestMs) };
    });
  }

  #hang(): FaultKind[] {
    return [{ type: "hang", node: this.#node(), forMs: this.#prng.between(100, 5_000) }];
  }
}

/** Which edges a cut of this shape leaves whole. */
function openEdges(
  shape: CutShape,
  nodes: readonly string[],
  prng: Prng,
): (from: string, to: string) => boolean {
  const order = prng.shuffled(nodes);
  const side = new Set(nodes.filter(() => prng.chance(500)));
  const at = (id: string): number => order.indexOf(id);
  switch (shape) {
    case "halves":
      return (from, to) => side.has(from) === side.has(to);
    case "oneWay":
      return (from, to) => !side.has(from) || side.has(to);
    case "edge":
      return (from, to) => at(from) !== 0 || at(to) !== Math.min(1, order.length - 1);
    case "bridge": {
      const middle = Math.floor(order.length / 2);
      return (from, to) =>
        at(from) === middle || at(to) === middle || at(from) < middle === at(to) < middle;
    }
    case "ring": {
      const apart = (from: string, to: string) => Math.abs(at(from) - at(to));
      return (from, to) => apart(from, to) === 1 || apart(from, to) === order.length - 1;
    }
  }
}
