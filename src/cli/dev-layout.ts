import { mkdirSync, mkdtempSync, readdirSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { deferred } from "../util/deferred.ts";
import { CLI_EXIT } from "./exit-codes.ts";
import { configurationFailure, Failure } from "./failure.ts";

export const DEV_NODES_DEFAULT = 3;
export const DEV_NODES_MAX = 9;
const LOOPBACK = "127.0.0.1";
const PORT_MAX = 65_535;

export interface DevMember {
  readonly name: string;
  /** `host:port` */
  readonly address: string;
  readonly port: number;
  readonly dataDir: string;
  readonly logPath: string;
}

/** Where the nodes of `rollcall dev` are: directories, ports, logs. */
export interface DevLayout {
  readonly dir: string;
  readonly members: readonly DevMember[];
  /** Some of it was there before. */
  readonly isKept: boolean;
}

export interface DevLayoutOptions {
  /** Null: a new temporary one. */
  readonly dir: string | null;
  readonly cwd: string;
  /** Null: as many as there are, else the default. */
  readonly nodes: number | null;
  readonly port: number;
}

export function layOut(options: DevLayoutOptions): DevLayout {
  const { port } = options;
  const dir = openDir(options);
  const kept = keptNodes(dir);
  const count = options.nodes ?? (kept === 0 ? DEV_NODES_DEFAULT : kept);
  if (kept > 0 && kept !== count) {
    throw configurationFailure(
      `${dir} holds a cluster of ${kept}, not of ${count}`,
      `leave --nodes out to start it, or take another --data directory, or --ephemeral`,
    );
  }
  if (port + count - 1 > PORT_MAX) {
    throw configurationFailure(
      `--port ${port} leaves no room for ${count} nodes up to ${PORT_MAX}`,
    );
  }
  const members = Array.from({ length: count }, (_, at): DevMember => {
    const name = `n${at + 1}`;
    return {
      name,
      address: `${LOOPBACK}:${port + at}`,
      port: port + at,
      dataDir: join(dir, name),
      logPath: join(dir, `${name}.log`),
    };
  });
  return { dir, members, isKept: kept > 0 };
}

/** Made before the nodes start, so that a first start that is cut off is still one of that many. */
export function makeDirectories({ members }: DevLayout): void {
  for (const { dataDir } of members) {
    try {
      mkdirSync(dataDir, { recursive: true });
    } catch (error) {
      throw cannotWrite(dataDir, error);
    }
  }
}

function openDir({ dir, cwd }: DevLayoutOptions): string {
  try {
    if (dir === null) {
      return mkdtempSync(join(tmpdir(), "rollcall-dev-"));
    }
    const path = resolve(cwd, dir);
    mkdirSync(path, { recursive: true });
    return path;
  } catch (error) {
    throw cannotWrite(dir ?? tmpdir(), error);
  }
}

function cannotWrite(path: string, error: unknown): Failure {
  const message = error instanceof Error ? error.message : String(error);
  return configurationFailure(`${path} cannot be made: ${message}`, "--data names another place");
}

/** The highest number of a node's directory; a lost one is not taken for a smaller cluster. */
function keptNodes(dir: string): number {
  const numbers = readdirSync(dir, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => /^n([1-9]\d?)$/.exec(entry.name)?.[1])
    .map((digits) => Number(digits ?? 0));
  return Math.max(0, ...numbers);
}

/** Rejects, naming `--port`, where something listens on one of the ports. */
export async function checkPorts({ members }: DevLayout): Promise<void> {
  for (const { port } of members) {
    const code = await tryPort(port);
    if (code === "EADDRINUSE") {
      throw new Failure("CONFIGURATION", `port ${port} is taken: is a cluster running already?`, {
        exitCode: CLI_EXIT.configuration,
        hint: `'rollcall status -s ${LOOPBACK}:${port}' asks it; --port takes ${members.length} others`,
        details: { port },
      });
    }
    if (code !== null) {
      throw configurationFailure(`cannot listen on port ${port}: ${code}`, "--port takes others");
    }
  }
}

/** Null when it is free. */
async function tryPort(port: number): Promise<string | null> {
  const outcome = deferred<string | null>();
  const server = createServer();
  server.once("error", (error: NodeJS.ErrnoException) => outcome.resolve(error.code ?? "error"));
  server.listen(port, LOOPBACK, () => server.close(() => outcome.resolve(null)));
  return outcome.promise;
}
