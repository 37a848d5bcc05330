import { spawn } from "node:child_process";
import { cp, mkdir, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { killedAt, syscallsIn, traced } from "../faults/strace.ts";
import type { Site } from "./campaign.ts";
import { behindAll, expected, type Found, MADE, UNMADE } from "./expected.ts";
import type { Fault } from "./held-back.ts";
import { judge } from "./judge.ts";
import { type Operation, type Scripts, scriptsOf } from "./operations.ts";
import { momentOf, type Point, pointsOfCalls, pointsOfSteps, without } from "./points.ts";
import { type Told, toldBy } from "./told.ts";
import type { VictimOrder } from "./victim.ts";

const VICTIM = fileURLToPath(new URL("victim.js", import.meta.url));
const VICTIM_MS_MAX = 60_000;

interface Ended {
  readonly told: Told;
  readonly isKilled: boolean;
}

/** An operation on directories of its own, which are all the same at first. */
export class Directories implements Site {
  readonly #place: string;
  readonly #operation: Operation;
  readonly #seed: number;
  readonly #fault: Fault | null;
  readonly #scripts: Scripts;
  readonly #base: Found;
  #broken = 0;

  private constructor(place: string, operation: Operation, seed: number, fault: Fault | null) {
    this.#place = place;
    this.#operation = operation;
    this.#seed = seed;
    this.#fault = fault;
    this.#scripts = scriptsOf(operation, seed);
    const isMade = operation.setup !== null;
    this.#base = isMade ? behindAll(this.#scripts.setup, MADE) : UNMADE;
  }

  get name(): string {
    return this.#operation.name;
  }

  get #basePath(): string {
    return join(this.#place, "base");
  }

  /** With what the operation begins with, as a process that is killed leaves it. In `directory`. */
  static async prepare(
    directory: string,
    operation: Operation,
    seed: number,
    fault: Fault | null,
  ): Promise<Directories> {
    const directories = new Directories(directory, operation, seed, fault);
    if (operation.setup === null) return directories;
    const { told } = await directories.#run(directories.#basePath, "setup", null, (argv) => argv);
    if (told.done !== directories.#scripts.setup.length)
      throw new Error(`no setup of ${operation.name}`);
    return directories;
  }

  async points(type: Point["type"]): Promise<readonly Point[]> {
    const path = await this.#fresh();
    if (type === "step") {
      const { told } = await this.#run(path, "act", null, (argv) => argv);
      return this.#ofOperation(pointsOfSteps(told.steps), pointsOfSteps(told.opening));
    }
    const file = join(this.#place, "trace");
    await this.#run(path, "act", null, (argv) => traced(file, argv));
    const calls = syscallsIn(await readFile(file, "utf8"));
    const opened = calls.findIndex(({ rest }) => rest.startsWith(', "opened\\n"'));
    const opening = pointsOfCalls(calls.slice(0, opened), path);
    return this.#ofOperation(pointsOfCalls(calls, path), opening);
  }

  /** Without those of the opening, where the operation is another one. */
  #ofOperation(points: readonly Point[], opening: readonly Point[]): Point[] {
    const isOpening = this.#scripts.act.length === 0 || this.#operation.setup === null;
    return isOpening ? [...points] : without(points, opening);
  }

  async crash(point: Point): Promise<boolean> {
    const path = await this.#fresh();
    const moment = point.type === "syscall" ? await momentOf(point, path) : null;
    const { told, isKilled } = await this.#run(path, "act", point, (argv) =>
      moment === null ? argv : killedAt(moment, argv),
    );
    if (!isKilled && !told.isClosed) throw new Error(`a victim of ${this.name} has failed`);
    const { act } = this.#scripts;
    const opened = told.isOpened && !this.#base.isMade ? MADE : this.#base;
    const reported = behindAll(act.slice(0, told.done), opened);
    try {
      const isHealed = act.some(({ type }) => type === "heal");
      await judge(path, this.#seed, expected(this.#base, act, told), reported, isHealed);
    } catch (error) {
      this.#broken += 1;
      await rename(this.#runPlace, join(this.#place, `broken-${this.#broken}`));
      throw error;
    }
    return isKilled;
  }

  /** Nothing is left running behind a crash. */
  async close(): Promise<void> {}

  get #runPlace(): string {
    return join(this.#place, "run");
  }

  async #fresh(): Promise<string> {
    await rm(this.#runPlace, { recursive: true, force: true });
    await mkdir(this.#runPlace);
    const path = join(this.#runPlace, "n1");
    if (this.#base.isMade) await cp(this.#basePath, path, { recursive: true });
    return path;
  }

  async #run(
    path: string,
    part: VictimOrder["part"],
    point: Point | null,
    wrapped: (argv: readonly string[]) => readonly string[],
  ): Promise<Ended> {
    const order: VictimOrder = {
      path,
      operation: this.#operation.name,
      part,
      seed: this.#seed,
      moment: point?.type === "step" ? point.moment : null,
      fault: part === "setup" ? null : this.#fault,
    };
    const [file = "", ...args] = wrapped([process.execPath, VICTIM, JSON.stringify(order)]);
    // One thread does what the script asks for, so that the calls of two runs have one order.
    const env = { ...process.env, UV_THREADPOOL_SIZE: "1" };
    const child = spawn(file, args, { env, stdio: ["ignore", "pipe", "inherit"] });
    let output = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      output += text;
    });
    let isLate = false;
    const late = setTimeout(() => {
      isLate = true;
      child.kill("SIGKILL");
    }, VICTIM_MS_MAX);
    const signal = await new Promise<NodeJS.Signals | null>((resolve, reject) => {
      child.once("error", reject);
      child.once("close", (_, killedBy) => resolve(killedBy));
    });
    clearTimeout(late);
    if (isLate)
      throw new Error(`${this.name}: not to its end within ${VICTIM_MS_MAX} ms: ${output}`);
    return { told: toldBy(output), isKilled: signal === "SIGKILL" };
  }
}
