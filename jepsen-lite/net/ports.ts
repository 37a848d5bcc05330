import { randomInt } from "node:crypto";
import { type AddressInfo, createServer, type Server } from "node:net";

const HOST = "127.0.0.1";
/** Below those that systems give to whoever asks for any. */
const KEPT_PORT_MIN = 18_000;
const KEPT_PORT_MAX = 30_000;

/** Ports that were free a moment ago, all different. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(Array.from({ length: count }, () => listening(0)));
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(servers.map(closed));
  return ports;
}

/** One that nobody is given who asks for any, so that it may be closed for a while, and opened again. */
export async function keptPort(): Promise<number> {
  for (;;) {
    const port = randomInt(KEPT_PORT_MIN, KEPT_PORT_MAX);
    const server = await listening(port).catch(() => null);
    if (server === null) continue;
    await closed(server);
    return port;
  }
}

function listening(port: number): Promise<Server> {
  const server = createServer();
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, HOST, () => resolve(server));
  });
}

function closed(server: Server): Promise<unknown> {
  return new Promise((resolve) => server.close(resolve));
}
