import { type ChildProcess, fork, type StdioOptions, spawn } from "node:child_process";
import { openSync } from "node:fs";

const STOP_MS_MAX = 15_000;

/** The processes that a run started, and only those. None outlives it. */
export class Children {
  readonly #running = new Set<ChildProcess>();

  constructor() {
    process.on("exit", () => {
      for (const child of this.#running) child.kill("SIGKILL");
    });
  }

  /** A program of its own, its standard error in a file. */
  start(args: readonly string[], logFile: string): ChildProcess {
    const stdio: StdioOptions = ["ignore", "ignore", openSync(logFile, "w")];
    return this.#keep(spawn(process.execPath, args, { stdio }));
  }

  /** A module of ours, with a channel for messages. */
  fork(module: URL, args: readonly string[] = []): ChildProcess {
    return this.#keep(fork(module, args));
  }

  async stopAll(): Promise<void> {
    await Promise.all([...this.#running].map(stop));
  }

  #keep(child: ChildProcess): ChildProcess {
    this.#running.add(child);
    child.on("exit", () => this.#running.delete(child));
    return child;
  }
}

function stop(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    const deadline = setTimeout(() => child.kill("SIGKILL"), STOP_MS_MAX);
    child.on("exit", () => {
      clearTimeout(deadline);
      resolve();
    });
    child.kill("SIGTERM");
  });
}

/** The next message of a child that has the key. Rejects when the child exits first, or late. */
export function messageOf<Message extends object>(
  child: ChildProcess,
  key: keyof Message & string,
  timeoutMs: number,
): Promise<Message> {
  return new Promise((resolve, reject) => {
    const end = (): void => {
      clearTimeout(deadline);
      child.off("message", onMessage).off("exit", onExit);
    };
    const onMessage = (message: object): void => {
      if (!(key in message)) return;
      end();
      resolve(message as Message);
    };
    const onExit = (): void => {
      end();
      reject(new Error(`a child exited before it said ${key}`));
    };
    const deadline = setTimeout(() => {
      end();
      reject(new Error(`a child did not say ${key} within ${timeoutMs} ms`));
    }, timeoutMs);
    child.on("message", onMessage).on("exit", onExit);
  });
}
