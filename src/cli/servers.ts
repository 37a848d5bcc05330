import { InvalidArgumentError } from "commander";
import { PORT_DEFAULT } from "../limits.ts";

export const SERVER_DEFAULT = `ws://127.0.0.1:${PORT_DEFAULT}`;

/** `URL[,URL]`, each `ws://host:port`, `wss://…` or `host:port`, as WebSocket URLs. */
export function parseServers(text: string): readonly string[] {
  const servers = text
    .split(",")
    .map((part) => part.trim())
    .filter((part) => part !== "")
    .map(parseServer);
  if (servers.length === 0) {
    throw new InvalidArgumentError(
      "It is URL[,URL], such as ws://10.0.0.1:7420,ws://10.0.0.2:7420.",
    );
  }
  return [...new Set(servers)];
}

function parseServer(text: string): string {
  const url = text.includes("://") ? text : `ws://${text}`;
  if (!URL.canParse(url) || !/^wss?:\/\/[^/]/.test(url)) {
    throw new InvalidArgumentError(
      `'${text}' is not ws://HOST:PORT, wss://HOST:PORT or HOST:PORT.`,
    );
  }
  return url.replace(/\/$/, "");
}

/** The HTTP pages of a node are on the port of its WebSockets. */
export function httpUrl(server: string, path: string): string {
  return new URL(path, server.replace(/^ws/, "http")).href;
}
