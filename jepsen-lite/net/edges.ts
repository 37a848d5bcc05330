import { randomInt } from "node:crypto";
import type { Prng } from "../prng.ts";
import type { Connection, Way } from "./connection.ts";
import { Edge, type EdgePlace } from "./edge.ts";
import { keptPort } from "./ports.ts";
import { type Toll, tollOf } from "./toll.ts";
import { FAIR, type Weather } from "./weather.ts";

/** Who dials a node and is none. */
export const CLIENTS = "clients";
/** An octet of an address is of the cluster, one of who dials and one of who is dialled. */
const OCTET_MAX = 254;

export interface EdgesOptions {
  /** Where each node listens. */
  readonly targets: ReadonlyMap<string, number>;
  /** Nodes that may come later: where they will be dialled is known from the beginning. */
  readonly spares?: readonly string[];
  readonly prng: Prng;
  /** See `Edge.open`, of clients. */
  readonly onClientReset?: (port: number) => void;
}

/**
 * What lies between the nodes of a cluster, and before them: an edge for each ordered pair of nodes,
 * from who dials to who is dialled, and one for all clients of each node. Nodes may come and go. The
 * edges are at addresses 127.x.FROM.TO of one port, so that nobody has to find a free place for
 * those that are laid later.
 */
export class Edges {
  /** Where clients dial each node; the list changes with the nodes. */
  readonly clientUrls: string[] = [];
  readonly #edges = new Map<string, Edge>();
  readonly #targets = new Map<string, number>();
  /** Of who may dial: the last octets of its addresses. */
  readonly #numbers: ReadonlyMap<string, number>;
  readonly #network: string;
  readonly #port: number;
  readonly #options: EdgesOptions;

  private constructor(options: EdgesOptions, port: number) {
    const { targets, spares = [] } = options;
    this.#options = options;
    this.#port = port;
    this.#network = `127.${randomInt(1, OCTET_MAX)}`;
    const all = [CLIENTS, ...targets.keys(), ...spares];
    if (all.length > OCTET_MAX) throw new Error(`no more than ${OCTET_MAX} nodes`);
    this.#numbers = new Map(all.map((name, number) => [name, number]));
  }

  static async lay(options: EdgesOptions): Promise<Edges> {
    const edges = new Edges(options, await keptPort());
    for (const [name, target] of options.targets) await edges.grow(name, target);
    return edges;
  }

  get names(): readonly string[] {
    return [...this.#targets.keys()];
  }

  /** Lays what lies between this node and all others. */
  async grow(name: string, target: number): Promise<void> {
    const { prng, onClientReset } = this.#options;
    const lay = async (from: string, to: string, at: number): Promise<void> => {
      const [host = "", port] = this.address(from, to).split(":");
      const place: EdgePlace = { from, to, host, port: Number(port), target: at };
      const onReset = from === CLIENTS ? onClientReset : undefined;
      this.#edges.set(nameOf(from, to), await Edge.open(place, prng, onReset));
    };
    for (const [other, at] of this.#targets) {
      await lay(name, other, at);
      await lay(other, name, target);
    }
    await lay(CLIENTS, name, target);
    this.#targets.set(name, target);
    this.clientUrls.push(this.clientUrl(name));
  }

  /** Nothing of this node is dialled any more, nor does it dial. */
  async drop(name: string): Promise<void> {
    this.#targets.delete(name);
    const at = this.clientUrls.indexOf(this.clientUrl(name));
    if (at >= 0) this.clientUrls.splice(at, 1);
    for (const edge of this.#all(({ from, to }) => from === name || to === name)) {
      this.#edges.delete(nameOf(edge.place.from, edge.place.to));
      await edge.close();
    }
  }

  /** Where `from` dials `to`, of nodes that are there or may come, `host:port`. */
  address(from: string, to: string): string {
    const octets = [from, to].map((name) => this.#numbers.get(name));
    if (octets.includes(undefined)) throw new Error(`no edge from ${from} to ${to}`);
    return `${this.#network}.${octets.join(".")}:${this.#port}`;
  }

  /** Where clients dial it. */
  clientUrl(name: string): string {
    return `ws://${this.address(CLIENTS, name)}`;
  }

  /** What `from` sends to `to`, over whichever of the two dialled the other. */
  set(from: string, to: string, weather: Weather): void {
    this.#edges.get(nameOf(from, to))?.set("there", weather);
    this.#edges.get(nameOf(to, from))?.set("back", weather);
  }

  /** Both ways between clients and one node. */
  setClients(node: string, weather: Weather): void {
    for (const way of ["there", "back"] satisfies Way[]) {
      this.#edges.get(nameOf(CLIENTS, node))?.set(way, weather);
    }
  }

  /** Of what `from` has sent to `to` so far. */
  toll(from: string, to: string): Toll {
    const there = this.#edges.get(nameOf(from, to))?.tolls.there;
    const back = this.#edges.get(nameOf(to, from))?.tolls.back;
    return tollOf([there, back].filter((toll) => toll !== undefined));
  }

  /** Of what clients and one node have sent each other so far. */
  clientToll(node: string): Toll {
    return tollOf(Object.values(this.#edges.get(nameOf(CLIENTS, node))?.tolls ?? {}));
  }

  /** Over which `from` may dial `to`; null where one of them has gone. */
  between(from: string, to: string): Edge | null {
    return this.#edges.get(nameOf(from, to)) ?? null;
  }

  /** Those that stand now, between nodes. */
  get peerConnections(): readonly Connection[] {
    return this.#all(({ from }) => from !== CLIENTS).flatMap(({ connections }) => connections);
  }

  /** Those that stand now, of clients with one node. */
  clientConnections(node: string): readonly Connection[] {
    return this.#edges.get(nameOf(CLIENTS, node))?.connections ?? [];
  }

  resetAll(): number {
    return this.#all(() => true).reduce((sum, edge) => sum + edge.reset(), 0);
  }

  /** What nobody listens behind, nobody is to be connected to: as if it were dialled itself. */
  async refuse(node: string): Promise<void> {
    await Promise.all(this.#all(({ to }) => to === node).map((edge) => edge.refuse()));
  }

  async admit(node: string): Promise<void> {
    await Promise.all(this.#all(({ to }) => to === node).map((edge) => edge.admit()));
  }

  /** All ways are fair again. */
  calm(): void {
    for (const edge of this.#edges.values()) {
      edge.set("there", FAIR);
      edge.set("back", FAIR);
    }
  }

  async close(): Promise<void> {
    await Promise.all(this.#all(() => true).map((edge) => edge.close()));
  }

  #all(isMeant: (place: EdgePlace) => boolean): Edge[] {
    return [...this.#edges.values()].filter(({ place }) => isMeant(place));
  }
}

function nameOf(from: string, to: string): string {
  return `${from}>${to}`;
}
