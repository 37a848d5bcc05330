import { createServer, connect as dial, type Server, type Socket } from "node:net";

/**
 * One directed edge between two nodes: a TCP proxy on a port of its own. While stopped it takes
 * bytes from neither side, and refuses nobody: both ends see a silent peer.
 */
export class Edge {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #isStopped = false;

  private constructor(server: Server) {
    this.#server = server;
  }

  static async open(targetPort: number): Promise<Edge> {
    const server = createServer({ pauseOnConnect: true });
    const edge = new Edge(server);
    server.on("connection", (near) => edge.#join(near, targetPort));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return edge;
  }

  get port(): number {
    const address = this.#server.address();
    return typeof address === "object" && address !== null ? address.port : 0;
  }

  stop(): void {
    this.#isStopped = true;
    for (const socket of this.#sockets) {
      socket.pause();
    }
  }

  go(): void {
    this.#isStopped = false;
    for (const socket of this.#sockets) {
      socket.resume();
    }
  }

  /** Both ends see their connections reset; new ones are taken as before. */
  reset(): void {
    for (const socket of [...this.#sockets]) {
      socket.resetAndDestroy();
    }
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) {
      socket.destroy();
    }
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  #join(near: Socket, targetPort: number): void {
    const far = dial(targetPort, "127.0.0.1");
    far.pause();
    this.#pass(near, far);
    this.#pass(far, near);
    if (!this.#isStopped) {
      near.resume();
      far.resume();
    }
  }

  #pass(from: Socket, to: Socket): void {
    this.#sockets.add(from);
    from.on("data", (bytes) => to.write(bytes));
    from.on("error", () => to.destroy());
    from.on("close", () => {
      this.#sockets.delete(from);
      to.destroy();
    });
  }
}
