import { execFile } from "node:child_process";
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Mutant, mutated } from "./mutant.ts";

const COPIED = ["src", "jepsen-lite", "test", "bin", "package.json", "tsconfig.json"];
const BUILD_SECONDS_MAX = 120;
const SIMULATOR = join("dist", "jepsen-lite", "sim", "main.js");

export interface Ran {
  /** Null where it was stopped because its time was over. */
  readonly code: number | null;
  readonly output: string;
  readonly seconds: number;
}

/** The sources in a folder of their own, where nothing that is changed can be left behind. */
export class Copy {
  readonly #folder: string;

  private constructor(folder: string) {
    this.#folder = folder;
  }

  /** Of the sources under `top`, with the fault, or null for none. Not built yet. */
  static async make(top: string, mutant: Mutant | null): Promise<Copy> {
    const folder = await mkdtemp(join(tmpdir(), "rollcall-mutant-"));
    for (const name of COPIED) {
      await cp(join(top, name), join(folder, name), { recursive: true });
    }
    await symlink(join(top, "node_modules"), join(folder, "node_modules"));
    if (mutant !== null) {
      const path = join(folder, mutant.file);
      await writeFile(path, mutated(await readFile(path, "utf8"), mutant));
    }
    return new Copy(folder);
  }

  /** A fault may leave a name unused; every other complaint means that it is none. */
  async build(): Promise<void> {
    const lenient = ["--noUnusedLocals", "false", "--noUnusedParameters", "false"];
    const tsc = join("node_modules", "typescript", "bin", "tsc");
    const built = await this.#run([tsc, "-p", "tsconfig.json", ...lenient], BUILD_SECONDS_MAX);
    if (built.code !== 0) throw new Error(`does not build: ${built.output}`);
  }

  /** Its command, once it is built. */
  get bin(): string {
    return join(this.#folder, "bin", "rollcall.js");
  }

  simulate(seeds: number, secondsMax: number): Promise<Ran> {
    return this.#run([SIMULATOR, "--seeds", String(seeds)], secondsMax);
  }

  /** A run that was written down. */
  replay(path: string, secondsMax: number): Promise<Ran> {
    return this.#run([SIMULATOR, "--replay", path], secondsMax);
  }

  /** The first violation within so many seeds, made smaller and written down; null for none. */
  async shrink(seeds: number, secondsMax: number): Promise<string | null> {
    const argv = [SIMULATOR, "--seeds", String(seeds), "--shrink"];
    const { output } = await this.#run(argv, secondsMax);
    const file = /--replay (seed-\d+\.json)/.exec(output)?.[1];
    return file === undefined ? null : readFile(join(this.#folder, file), "utf8");
  }

  /** `paths` are as vitest takes them, with what to leave out. */
  test(paths: readonly string[], secondsMax: number): Promise<Ran> {
    const vitest = join("node_modules", "vitest", "vitest.mjs");
    const config = ["--config", join("test", "vitest.config.ts"), "--project", "unit"];
    // A fault shows in what is wrong, not in what a busy machine makes slow.
    const patience = ["--testTimeout", String(secondsMax * 1000)];
    return this.#run([vitest, "run", ...config, ...patience, "--bail", "1", ...paths], secondsMax);
  }

  remove(): Promise<void> {
    return rm(this.#folder, { recursive: true, force: true });
  }

  #run(argv: readonly string[], secondsMax: number): Promise<Ran> {
    const startedMs = performance.now();
    const env = { ...process.env, NO_COLOR: "1" };
    const options = { cwd: this.#folder, env, timeout: secondsMax * 1000, maxBuffer: 1 << 26 };
    return new Promise((resolve) => {
      const child = execFile(process.execPath, argv, options, (error, stdout, stderr) => {
        const seconds = (performance.now() - startedMs) / 1000;
        const code = error?.killed === true ? null : child.exitCode;
        resolve({ code, output: stdout + stderr, seconds });
      });
    });
  }
}
