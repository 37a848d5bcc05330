import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, type TestContext } from "vitest";
import { within } from "./wait.ts";

export const TOP = fileURLToPath(new URL("../..", import.meta.url));
/** As for Automake's tests: it could not run here. */
const EXIT_SKIPPED = 77;

export interface Ran {
  readonly code: number | null;
  readonly output: string;
}

/** A campaign of the harness as a command of its own, in each test of a file. */
export class Campaign {
  readonly #main: string;
  readonly #msMax: number;
  #directory = "";
  #running: ChildProcess[] = [];

  /** `name`: its folder in the harness. */
  constructor(name: string, msMax: number) {
    this.#main = join(TOP, "dist", "jepsen-lite", name, "main.js");
    this.#msMax = msMax;
    beforeEach(async () => {
      this.#directory = await mkdtemp(join(tmpdir(), `rollcall-${name}-test-`));
      this.#running = [];
    });
    afterEach(async () => {
      for (const child of this.#running) killGroup(child);
      await rm(this.#directory, { recursive: true, force: true });
    });
  }

  /** All that it makes is in here, and gone behind the test. */
  get directory(): string {
    return this.#directory;
  }

  start(args: readonly string[]): { readonly child: ChildProcess; readonly ran: Promise<Ran> } {
    const child = spawn(process.execPath, [this.#main, ...args], {
      env: { ...process.env, TMPDIR: this.#directory },
      stdio: ["ignore", "pipe", "pipe"],
      detached: true,
    });
    this.#running.push(child);
    let output = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8").on("data", (text: string) => {
        output += text;
      });
    }
    const ran = new Promise<Ran>((resolve) => {
      child.once("close", (code) => resolve({ code, output }));
    });
    return { child, ran: within(this.#msMax, "the campaign", ran) };
  }

  /** To its end. Where it cannot run, it says in one line what is missing, and the test as well. */
  async run(context: TestContext, args: readonly string[]): Promise<Ran> {
    const ran = await this.start(args).ran;
    return ran.code === EXIT_SKIPPED ? skipped(context, ran.output.trim()) : ran;
  }
}

export function skipped(context: TestContext, line: string): never {
  console.info(line);
  return context.skip(line);
}

/** With all that it has started, whatever has become of itself. */
function killGroup({ pid }: ChildProcess): void {
  try {
    if (pid !== undefined) process.kill(-pid, "SIGKILL");
  } catch {
    // Nobody is left.
  }
}

/** The last row of its table, which counts all of them, by the heads of the columns. */
export function total({ output }: Ran): Record<string, number> {
  const cells = output
    .split("\n")
    .filter((line) => line.startsWith("| "))
    .map((line) => line.split("|").map((cell) => cell.trim()));
  const [heads = [], last = []] = [cells[0], cells.at(-1)];
  return Object.fromEntries(heads.map((head, i) => [head, Number(last[i])]).slice(2, -1));
}
