import { type ChildProcess, fork } from "node:child_process";
import type { Job, Outcome } from "./outcome.ts";

const ANSWER_MS_MAX = 60_000;
/** What a process says before it aborts. */
const LAST_BYTES = 2_000;

/** A process that opens directories, and another one when it has died over one of them. */
export class Opening {
  readonly #program: string;
  #child: ChildProcess | null = null;
  #said = "";
  /** Processes that did not live to answer. */
  deaths = 0;

  /** `program`: the built `opener/main.js`. */
  constructor(program: string) {
    this.#program = program;
  }

  async open(job: Job): Promise<Outcome> {
    const child = this.#child ?? this.#start();
    const outcome = await this.#answer(child, job);
    if (this.#child === null) this.deaths += 1;
    return outcome;
  }

  close(): void {
    this.#child?.kill("SIGKILL");
    this.#child = null;
  }

  #start(): ChildProcess {
    const child = fork(this.#program, { stdio: ["ignore", "ignore", "pipe", "ipc"] });
    this.#child = child;
    this.#said = "";
    child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.#said = (this.#said + text).slice(-LAST_BYTES);
    });
    return child;
  }

  #answer(child: ChildProcess, job: Job): Promise<Outcome> {
    return new Promise((resolve) => {
      const done = (outcome: Outcome): void => {
        clearTimeout(late);
        child.removeAllListeners("message").removeAllListeners("close");
        resolve(outcome);
      };
      const late = setTimeout(() => {
        this.close();
        done({ type: "crashed", how: `no answer within ${ANSWER_MS_MAX} ms` });
      }, ANSWER_MS_MAX);
      child.once("message", (outcome: Outcome) => done(outcome));
      // Behind the last that it said.
      child.once("close", (code, signal) => {
        this.#child = null;
        done({ type: "crashed", how: `ended with ${signal ?? code}: ${this.#said.trim()}` });
      });
      child.send(job);
    });
  }
}
