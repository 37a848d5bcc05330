import { once } from "node:events";
import { createConnection, createServer, type Server, type Socket } from "node:net";
import type { Prng } from "../prng.ts";
import { Connection, type Way } from "./connection.ts";
import { noToll, type Toll } from "./toll.ts";
import { FAIR, type Weather } from "./weather.ts";

const TARGET_HOST = "127.0.0.1";

export interface EdgePlace {
  readonly from: string;
  readonly to: string;
  /** Where `from` dials; a place that nobody else takes while it is closed. */
  readonly host: string;
  readonly port: number;
  /** Where `to` listens. */
  readonly target: number;
}

/** Why nobody listens: nobody does behind it, or a nemesis wants it so. */
export type Shut = "down" | "barred";

/**
 * What lies between one who dials and one who is dialled: all connections from the one to the other
 * go through it, and have the weather of each way, which may change at any moment.
 */
export class Edge {
  readonly place: EdgePlace;
  readonly tolls: Readonly<Record<Way, Toll>> = { there: noToll(), back: noToll() };
  readonly #prng: Prng;
  readonly #onReset: (port: number) => void;
  readonly #connections = new Set<Connection>();
  readonly #weathers: Record<Way, Weather> = { there: FAIR, back: FAIR };
  readonly #shut = new Set<Shut>();
  #server: Server | null = null;
  #accepted = 0;

  private constructor(place: EdgePlace, prng: Prng, onReset: (port: number) => void) {
    this.place = place;
    this.#prng = prng;
    this.#onReset = onReset;
  }

  /** `onReset` hears of each connection that is about to be broken off here, by the dialler's port. */
  static async open(
    place: EdgePlace,
    prng: Prng,
    onReset: (port: number) => void = () => {},
  ): Promise<Edge> {
    const edge = new Edge(place, prng, onReset);
    await edge.#listen();
    return edge;
  }

  get connections(): readonly Connection[] {
    return [...this.#connections];
  }

  /** Connections so far. */
  get accepted(): number {
    return this.#accepted;
  }

  set(way: Way, weather: Weather): void {
    this.#weathers[way] = weather;
    for (const connection of this.#connections) connection.weathers = { ...this.#weathers };
  }

  /** Breaks off what stands; new connections are taken. Returns how many there were. */
  reset(): number {
    const count = this.#connections.size;
    for (const connection of this.#connections) connection.reset();
    return count;
  }

  /** Nobody listens from now on; what stands is not touched. */
  async refuse(why: Shut = "down"): Promise<void> {
    this.#shut.add(why);
    const server = this.#server;
    if (server === null) return;
    this.#server = null;
    // Resolves once the last connection is gone; that nobody listens is so at once.
    server.close();
  }

  /** Where nothing else speaks against it. */
  async admit(why: Shut = "down"): Promise<void> {
    this.#shut.delete(why);
    if (this.#shut.size === 0) await this.#listen();
  }

  async close(): Promise<void> {
    await this.refuse();
    this.reset();
  }

  async #listen(): Promise<void> {
    if (this.#server !== null) return;
    const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) =>
      this.#connect(socket),
    );
    this.#server = server;
    server.listen(this.place.port, this.place.host);
    await once(server, "listening");
  }

  #connect(dialler: Socket): void {
    const dialled = createConnection({
      ...{ host: TARGET_HOST, port: this.place.target },
      ...{ allowHalfOpen: true, noDelay: true },
    });
    this.#accepted += 1;
    const connection: Connection = new Connection(dialler, dialled, this.#weathers, {
      ...{ prng: this.#prng, tolls: this.tolls, onReset: this.#onReset },
      onGone: () => this.#connections.delete(connection),
    });
    this.#connections.add(connection);
  }
}
