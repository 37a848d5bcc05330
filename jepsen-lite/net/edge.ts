import { once } from "node:events";
import { createConnection, createServer, type Server, type Socket } from "node:net";
import type { Prng } from "../prng.ts";
import { Pipe } from "./pipe.ts";
import { FAIR, type Weather } from "./weather.ts";

const HOST = "127.0.0.1";

export interface EdgePlace {
  readonly from: string;
  readonly to: string;
  /** Where `from` dials; one that nobody else takes while it is closed. */
  readonly port: number;
  /** Where `to` listens. */
  readonly target: number;
}

/** From who dials to who is dialled, or back. */
export type Way = "there" | "back";

interface Connection {
  readonly there: Pipe;
  readonly back: Pipe;
  reset(): void;
}

/**
 * What lies between one who dials and one who is dialled: all connections from the one to the other
 * go through it, and have the weather of each way, which may change at any moment.
 */
export class Edge {
  readonly place: EdgePlace;
  readonly #prng: Prng;
  readonly #onReset: (port: number) => void;
  readonly #connections = new Set<Connection>();
  readonly #weather: Record<Way, Weather> = { there: FAIR, back: FAIR };
  #server: Server | null = null;

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
    await edge.admit();
    return edge;
  }

  get connections(): number {
    return this.#connections.size;
  }

  weather(way: Way): Weather {
    return this.#weather[way];
  }

  set(way: Way, weather: Weather): void {
    this.#weather[way] = weather;
    for (const connection of this.#connections) connection[way].weather = weather;
  }

  /** Breaks off what stands; new connections are taken. Returns how many there were. */
  reset(): number {
    const count = this.#connections.size;
    for (const connection of this.#connections) connection.reset();
    return count;
  }

  /** Nobody listens from now on; what stands is not touched. */
  async refuse(): Promise<void> {
    const server = this.#server;
    if (server === null) return;
    this.#server = null;
    // Resolves once the last connection is gone; that nobody listens is so at once.
    server.close();
  }

  async admit(): Promise<void> {
    if (this.#server !== null) return;
    const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) =>
      this.#connect(socket),
    );
    this.#server = server;
    server.listen(this.place.port, HOST);
    await once(server, "listening");
  }

  async close(): Promise<void> {
    await this.refuse();
    this.reset();
  }

  #connect(dialler: Socket): void {
    const dialled = createConnection({
      ...{ host: HOST, port: this.place.target },
      ...{ allowHalfOpen: true, noDelay: true },
    });
    const port = dialler.remotePort ?? 0;
    const reset = (): void => {
      if (this.#connections.delete(connection)) this.#onReset(port);
      for (const pipe of [connection.there, connection.back]) pipe.stop();
      for (const socket of [dialler, dialled]) socket.resetAndDestroy();
    };
    const connection: Connection = {
      there: new Pipe(dialler, dialled, this.#prng, reset),
      back: new Pipe(dialled, dialler, this.#prng, reset),
      reset,
    };
    let open = 2;
    for (const socket of [dialler, dialled]) {
      // What is behind it is the end of the connection, which the pipe tells in its turn.
      socket.on("error", () => {});
      socket.on("close", () => {
        open -= 1;
        if (open === 0) reset();
      });
    }
    connection.there.weather = this.#weather.there;
    connection.back.weather = this.#weather.back;
    this.#connections.add(connection);
  }
}
