import type { Prng } from "../prng.ts";
import { Edge, type Way } from "./edge.ts";
import { keptPort } from "./ports.ts";
import { FAIR, type Weather } from "./weather.ts";

const CLIENTS = "clients";

/**
 * What lies between the nodes of a cluster, and before them: an edge for each ordered pair of nodes,
 * from who dials to who is dialled, and one for all clients of each node.
 */
export class Edges {
  readonly #edges: ReadonlyMap<string, Edge>;
  readonly names: readonly string[];

  private constructor(names: readonly string[], edges: ReadonlyMap<string, Edge>) {
    this.names = names;
    this.#edges = edges;
  }

  /** `targets`: where each node listens. `onClientReset`: see `Edge.open`, of clients. */
  static async lay(
    targets: ReadonlyMap<string, number>,
    prng: Prng,
    onClientReset: (port: number) => void = () => {},
  ): Promise<Edges> {
    const names = [...targets.keys()];
    const edges = new Map<string, Edge>();
    for (const from of [...names, CLIENTS]) {
      for (const [to, target] of targets) {
        if (from === to) continue;
        const port = await keptPort();
        const place = { from, to, port, target };
        const onReset = from === CLIENTS ? onClientReset : undefined;
        edges.set(nameOf(from, to), await Edge.open(place, prng, onReset));
      }
    }
    return new Edges(names, edges);
  }

  /** Where `from` dials `to`. */
  port(from: string, to: string): number {
    return this.#edge(from, to).place.port;
  }

  /** Where clients dial each node. */
  get clientUrls(): string[] {
    return this.names.map((name) => `ws://127.0.0.1:${this.port(CLIENTS, name)}`);
  }

  get connections(): number {
    return [...this.#edges.values()].reduce((sum, { connections }) => sum + connections, 0);
  }

  /** What `from` sends to `to`, over whichever of the two dialled the other. */
  set(from: string, to: string, weather: Weather): void {
    this.#edge(from, to).set("there", weather);
    this.#edge(to, from).set("back", weather);
  }

  /** Both ways between clients and one node. */
  setClients(node: string, weather: Weather): void {
    for (const way of ["there", "back"] satisfies Way[]) {
      this.#edge(CLIENTS, node).set(way, weather);
    }
  }

  resetAll(): number {
    return [...this.#edges.values()].reduce((sum, edge) => sum + edge.reset(), 0);
  }

  /** What nobody listens behind, nobody is to be connected to: as if it were dialled itself. */
  async refuse(node: string): Promise<void> {
    await Promise.all(this.#to(node).map((edge) => edge.refuse()));
  }

  async admit(node: string): Promise<void> {
    await Promise.all(this.#to(node).map((edge) => edge.admit()));
  }

  /** All ways are fair again. */
  calm(): void {
    for (const edge of this.#edges.values()) {
      edge.set("there", FAIR);
      edge.set("back", FAIR);
    }
  }

  async close(): Promise<void> {
    await Promise.all([...this.#edges.values()].map((edge) => edge.close()));
  }

  #to(node: string): Edge[] {
    return [...this.#edges.values()].filter(({ place }) => place.to === node);
  }

  #edge(from: string, to: string): Edge {
    const edge = this.#edges.get(nameOf(from, to));
    if (edge === undefined) throw new Error(`no edge from ${from} to ${to}`);
    return edge;
  }
}

function nameOf(from: string, to: string): string {
  return `${from}>${to}`;
}
