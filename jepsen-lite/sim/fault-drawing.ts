import type { Core, CoreRest, CutShape, Fault, FaultKind, FaultSource } from "./fault.ts";
import type { SimOptions } from "./options.ts";
import type { Prng } from "./prng.ts";

/** What a drawn fault is aimed at. */
export interface Targets {
  readonly nodes: readonly string[];
  readonly clients: readonly string[];
  readonly watchers: readonly string[];
  /** At this moment, if there is one. */
  leader(): string | null;
}

type Draw = () => readonly FaultKind[];

/**
 * Draws faults, each kind at its own mean rate, by a chance of its own: which faults happen changes
 * nothing else that a run draws.
 */
export class DrawnFaults implements FaultSource {
  readonly #prng: Prng;
  readonly #targets: Targets;
  readonly #kinds: { readonly meanMs: number; readonly draw: Draw; nextMs: number }[];

  constructor({ faults }: SimOptions, prng: Prng, targets: Targets) {
    this.#prng = prng;
    this.#targets = targets;
    const all: readonly (readonly [number, Draw])[] = [
      [faults.crashMs, () => this.#crash()],
      [faults.partitionMs, () => this.#cut()],
      [faults.pauseMs, () => this.#pause()],
      [faults.clientMs, () => this.#client()],
      [faults.linkMs, () => this.#link()],
      [faults.stormMs, () => [{ type: "storm" }]],
      [faults.transferMs, () => this.#transfer()],
      [faults.hangMs, () => this.#hang()],
      [faults.asideMs, () => this.#aside()],
    ];
    this.#kinds = all
      .filter(([meanMs]) => meanMs > 0)
      .map(([meanMs, draw]) => ({ meanMs, draw, nextMs: prng.between(1, 2 * meanMs) }));
  }

  get nextMs(): number | null {
    return this.#kinds.length === 0 ? null : Math.min(...this.#kinds.map((kind) => kind.nextMs));
  }

  take(nowMs: number): readonly Fault[] {
    const drawn: Fault[] = [];
    for (const kind of this.#kinds) {
      if (kind.nextMs <= nowMs) {
        drawn.push(...kind.draw().map((fault) => ({ atMs: nowMs, ...fault })));
        kind.nextMs = nowMs + this.#prng.between(1, 2 * kind.meanMs);
      }
    }
    return drawn;
  }

  /** The leader half of the time. */
  #node(): string {
    const leader = this.#targets.leader();
    return leader !== null && this.#prng.chance(500)
      ? leader
      : this.#prng.pick(this.#targets.nodes);
  }

  /** Now and then everybody at once; now and then for so long that the others move on. */
  #crash(): FaultKind[] {
    const victims = this.#prng.chance(100) ? this.#targets.nodes : [this.#node()];
    const longestMs = this.#prng.chance(200) ? 8_000 : 3_000;
    return victims.map((node) => ({
      type: "crash",
      node,
      forMs: this.#prng.between(0, longestMs),
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
    const leader = this.#targets.leader();
    const asked = leader !== null && this.#prng.chance(900) ? leader : this.#prng.pick(nodes);
    const to = this.#prng.chance(700) ? null : this.#prng.pick(nodes);
    return [{ type: "transfer", asked, to }];
  }

  #aside(): FaultKind[] {
    return [{ type: "aside", node: this.#node(), forMs: this.#prng.between(0, 2_000) }];
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
  const order = shuffled(nodes, prng);
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

const CORE_RESTS: readonly CoreRest[] = ["down", "deaf", "mute", "isolated", "stalling"];

/** A random minority that stays broken, and how; null where all are healed at once. */
export function drawCore({ nodes, coreChance }: SimOptions, prng: Prng): Core | null {
  const ids = shuffled(nodeIds(nodes), prng);
  const rest = ids.slice(Math.floor(nodes / 2) + 1);
  if (rest.length === 0 || !prng.chance(coreChance)) {
    return null;
  }
  return { rest: rest.map((node) => ({ node, how: prng.pick(CORE_RESTS) })) };
}

export function nodeIds(nodes: number): string[] {
  return Array.from({ length: nodes }, (_, i) => `n${i + 1}`);
}

function shuffled<T>(items: readonly T[], prng: Prng): T[] {
  const left = [...items];
  return items.map(() => left.splice(prng.below(left.length), 1)[0] as T);
}
