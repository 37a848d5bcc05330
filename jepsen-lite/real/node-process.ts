import { type ChildProcess, spawn } from "node:child_process";
import { createWriteStream } from "node:fs";
import { createInterface } from "node:readline";

const ANSWER_MS_MAX = 1_000;
const LAST_LINES = 5;

/** A line of its log; there is more in it than is named here. */
export interface LogLine {
  readonly msg: string;
  /** Of a link to another node: whose, and where it was dialled. */
  readonly peer?: string;
  readonly address?: string;
  /** Of a node that stood still: for how long. */
  readonly stoodStillMs?: number;
}

/** What is looked at of `/v1/status`. */
export interface NodeView {
  readonly id: string;
  readonly role: string;
  readonly term: number;
  readonly leader: string | null;
  readonly commit: number;
  readonly applied: number;
  readonly lastIndex: number;
  /** Of the log; what is before it is in the snapshot. */
  readonly firstIndex: number;
  readonly revision: number;
  readonly digest: string;
  readonly isCaughtUp: boolean;
  readonly members: readonly MemberView[];
  /** Of the room on its disk: `ok`, `low`, `full`. */
  readonly diskState: string;
  /** What its wall clock says. */
  readonly wallMs: number;
}

export interface MemberView {
  readonly name: string;
  readonly membership: "voter" | "learner";
}

export interface NodePlace {
  readonly name: string;
  readonly port: number;
  readonly dataDir: string;
  readonly logPath: string;
}

/** How one start is not like the others. */
export interface StartHow {
  /** The command line instead of the usual one. */
  readonly wrapped?: (argv: readonly string[]) => readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/** One `rollcall start` of the built command, as its own process. */
export class NodeProcess {
  readonly name: string;
  readonly port: number;
  readonly dataDir: string;
  readonly logPath: string;
  /** Counts its starts; a process is (name, life). */
  life = 0;
  /** Set where its end was brought about, and is no news. */
  isBeingKilled = false;
  /** In this life. */
  hasAnswered = false;
  readonly #argv: readonly string[];
  readonly #onLine: (line: LogLine) => void;
  readonly #env: Readonly<Record<string, string>>;
  #lastLines: string[] = [];
  #process: ChildProcess | null = null;
  #ended: Promise<void> = Promise.resolve();

  constructor(
    { name, port, dataDir, logPath }: NodePlace,
    argv: readonly string[],
    onLine: (line: LogLine) => void,
    env: Readonly<Record<string, string>> = {},
  ) {
    this.name = name;
    this.port = port;
    this.dataDir = dataDir;
    this.logPath = logPath;
    this.#argv = argv;
    this.#onLine = onLine;
    this.#env = env;
  }

  get url(): string {
    return `ws://127.0.0.1:${this.port}`;
  }

  /** While it runs. */
  get pid(): number {
    const pid = this.#process?.pid;
    if (pid === undefined || !this.isRunning) throw new Error(`${this.name} does not run`);
    return pid;
  }

  get isRunning(): boolean {
    return this.#process?.exitCode === null && this.#process.signalCode === null;
  }

  /** Null while it runs, and where a signal has ended it. */
  get exitCode(): number | null {
    return this.#process?.exitCode ?? null;
  }

  /** How it ended, and the last that it said. */
  get end(): string {
    return `${this.name} ended with ${this.exitCode ?? "a signal"}: ${this.#lastLines.join("\n")}`;
  }

  start({ wrapped = (argv) => argv, env = {} }: StartHow = {}): void {
    const [file = "", ...args] = wrapped([process.execPath, ...this.#argv]);
    const child = spawn(file, args, {
      env: { ...process.env, ...this.#env, ...env },
      stdio: ["ignore", "ignore", "pipe"],
    });
    this.life += 1;
    this.isBeingKilled = false;
    this.hasAnswered = false;
    this.#process = child;
    this.#lastLines = [];
    child.stderr.pipe(createWriteStream(this.logPath, { flags: "a" }));
    createInterface(child.stderr).on("line", (text) => this.#read(text));
    // "close" comes behind the last line.
    this.#ended = new Promise((resolve) => child.once("close", () => resolve()));
  }

  /** Resolves when it is gone, and its last line was read. */
  get ended(): Promise<void> {
    return this.#ended;
  }

  signal(signal: NodeJS.Signals): void {
    if (this.isRunning) this.#process?.kill(signal);
  }

  /** Resolves when it is gone, and its last line was read. */
  async kill(): Promise<void> {
    this.isBeingKilled = true;
    this.signal("SIGKILL");
    await this.#ended;
  }

  /** Null while it does not answer, or serves nobody yet. */
  async view(): Promise<NodeView | null> {
    try {
      const signal = AbortSignal.timeout(ANSWER_MS_MAX);
      const response = await fetch(`http://127.0.0.1:${this.port}/v1/status`, { signal });
      if (!response.ok) return null;
      const view = (await response.json()) as NodeView;
      this.hasAnswered = true;
      return view;
    } catch {
      return null;
    }
  }

  #read(text: string): void {
    this.#lastLines = [...this.#lastLines, text].slice(-LAST_LINES);
    try {
      this.#onLine(JSON.parse(text) as LogLine);
    } catch {
      // Torn by its end, or said by Node.
    }
  }
}
