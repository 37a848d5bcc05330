import { type ChildProcess, spawn } from "node:child_process";
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, expect, type TestContext } from "vitest";
import { until } from "../../jepsen-lite/real/wait.ts";
import { must } from "../../src/util/assert.ts";
import { mutated } from "../mutants/mutant.ts";
import { loopsOf } from "./left-behind.ts";
import { within } from "./wait.ts";

const TOP = fileURLToPath(new URL("../..", import.meta.url));
const EXIT_SKIPPED = 77;
const DETACHED_MS_MAX = 20_000;

export interface Ran {
  readonly code: number | null;
  readonly output: string;
}

/** For each test of a file: one of them, in a directory of its own, and both are gone afterwards. */
export function eachWithCampaign(
  name: string,
  msMax: number,
): { readonly campaign: Campaign; readonly directory: string } {
  let current: { readonly campaign: Campaign; readonly directory: string } | null = null;
  beforeEach(async () => {
    const directory = await mkdtemp(join(tmpdir(), `rollcall-${name}-test-`));
    current = { campaign: new Campaign(name, directory, msMax), directory };
  });
  afterEach(async () => {
    current?.campaign.kill();
    if (current !== null) await rm(current.directory, { recursive: true, force: true });
  });
  return {
    get campaign() {
      return must(current).campaign;
    },
    get directory() {
      return must(current).directory;
    },
  };
}

/** A command of `jepsen-lite/` that breaks real nodes; all that it makes is in one directory. */
export class Campaign {
  readonly #main: string;
  readonly #directory: string;
  readonly #msMax: number;
  readonly #running: ChildProcess[] = [];

  constructor(name: string, directory: string, msMax: number) {
    this.#main = join(TOP, "dist", "jepsen-lite", name, "main.js");
    this.#directory = directory;
    this.#msMax = msMax;
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

  async run(context: TestContext, args: readonly string[]): Promise<Ran> {
    const ran = await this.start(args).ran;
    return ran.code === EXIT_SKIPPED ? skipped(context, ran.output.trim()) : ran;
  }

  /** With all that they have started, whatever has become of themselves. */
  kill(): void {
    for (const { pid } of this.#running) {
      try {
        if (pid !== undefined) process.kill(-pid, "SIGKILL");
      } catch {
        // Nobody is left.
      }
    }
  }

  /**
   * Killed when it has said a line, a campaign leaves nothing. It is over with the last of its
   * processes, since these hold its output open.
   */
  async leavesNothing(context: TestContext, args: readonly string[]): Promise<void> {
    const { child, ran } = this.start(args);
    const first = new Promise<string>((resolve) => {
      child.stdout?.once("data", (text: string) => resolve(text.trim()));
    });
    const line = await within(this.#msMax, "the first line", first);
    if (line.startsWith("skipped")) skipped(context, line);
    expect((await loopsOf(this.#directory)).length).toBeGreaterThan(0);
    child.kill("SIGKILL");
    await within(DETACHED_MS_MAX, "the last of its processes to go", ran);
    await until(DETACHED_MS_MAX, "the loop devices to go", async () => {
      return (await loopsOf(this.#directory)).length > 0 ? null : true;
    });
    expect(await readFile("/proc/mounts", "utf8")).not.toContain(this.#directory);
  }
}

/** Where it cannot run, the command says in one line what is missing, and the test as well. */
export function skipped(context: TestContext, line: string): never {
  console.info(line);
  return context.skip(line);
}

/** The row of the table that counts all scenarios, by the heads of its columns. */
export function total({ output }: Ran): Record<string, number> {
  const cells = output
    .split("\n")
    .filter((line) => line.startsWith("| "))
    .map((line) => line.split("|").map((cell) => cell.trim()));
  const [heads = [], last = []] = [cells[0], cells.at(-1)];
  return Object.fromEntries(heads.map((head, i) => [head, Number(last[i])]).slice(2, -1));
}

/** A text that stands once in a built file, and what takes its place. */
export interface Fault {
  readonly file: string;
  readonly find: string;
  readonly replace: string;
}

export function faultOf(folder: string, file: string, find: string, replace: string): Fault {
  return { file: join("dist", "src", folder, file), find, replace };
}

/** Resolves with the command of a node that is broken so; its copy is made in `directory`. */
export async function brokenNode(directory: string, faults: readonly Fault[]): Promise<string> {
  for (const name of ["bin", "dist", "package.json"]) {
    await cp(join(TOP, name), join(directory, name), { recursive: true });
  }
  await symlink(join(TOP, "node_modules"), join(directory, "node_modules"));
  for (const fault of faults) {
    const path = join(directory, fault.file);
    const mutant = { ...fault, name: "a broken node", imitates: "", tests: "" };
    await writeFile(path, mutated(await readFile(path, "utf8"), mutant));
  }
  return join(directory, "bin", "rollcall.js");
}
