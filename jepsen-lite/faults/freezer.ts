import { spawn } from "node:child_process";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { createInterface, type Interface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { LoopDisk } from "./loop-disk.ts";

const MAIN = fileURLToPath(new URL("./freezer/main.js", import.meta.url));

/**
 * Called outside, with a process that has what is mounted inside. *Guards against:* what writes to a
 * frozen file system cannot even be killed. Where the campaign ends with a disk frozen, its processes
 * stay as they are for ever, and whoever waits for them too. So somebody else does it, whom nobody
 * ends but itself.
 */
export function startFreezer(pid: number, socketPath: string): { end(): Promise<void> } {
  const child = spawn(process.execPath, [MAIN, String(pid), socketPath], {
    stdio: ["pipe", "ignore", "ignore"],
    detached: true,
  });
  const ended = once(child, "exit");
  // It ends when this process does.
  child.unref();
  (child.stdin as Socket).unref();
  return {
    /** Resolves when it is gone, before that. */
    async end() {
      child.ref();
      child.stdin.end();
      await ended;
    },
  };
}

/** Freezes disks, as a storage does that does not answer: whoever writes to one waits. */
export class Freezer {
  readonly #socket: Socket;
  readonly #answers: AsyncIterator<string>;
  readonly #lines: Interface;

  private constructor(socket: Socket) {
    this.#socket = socket;
    this.#lines = createInterface(socket);
    this.#answers = this.#lines[Symbol.asyncIterator]();
  }

  static async connect(socketPath: string): Promise<Freezer> {
    const socket = connect(socketPath);
    await once(socket, "connect");
    return new Freezer(socket);
  }

  /**
   * Resolves when all of them are frozen; `thawed` does when none is any more. One call at a time.
   */
  async freeze(
    disks: readonly LoopDisk[],
    ms: number,
  ): Promise<{ readonly thawed: Promise<void> }> {
    for (const { path } of disks) {
      this.#socket.write(`${JSON.stringify({ path, ms })}\n`);
    }
    await this.#done(disks.length);
    return { thawed: this.#done(disks.length) };
  }

  close(): void {
    this.#lines.close();
    this.#socket.destroy();
  }

  async #done(count: number): Promise<void> {
    for (let i = 0; i < count; i += 1) {
      const { value = "the freezer is gone" } = await this.#answers.next();
      if (value !== "") throw new Error(value);
    }
  }
}
