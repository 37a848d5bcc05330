import { type ChildProcess, fork, type Serializable } from "node:child_process";
import { closeSync, openSync, readFileSync } from "node:fs";
import { deferred } from "../util/deferred.ts";
import type { DevMember } from "./dev-layout.ts";

/** What `rollcall start` tells a parent process once it serves. */
export interface NodeReady {
  readonly type: "ready";
  readonly id: string;
  /** `host:port` */
  readonly address: string;
  readonly pid: number;
}

export interface NodeExit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** Why a node ended, by its own word. `hint` is empty where it had none. */
export interface NodeFault {
  readonly message: string;
  readonly hint: string;
}

export interface DevNodeOptions {
  readonly binPath: string;
  readonly member: DevMember;
  /** What follows `rollcall`. */
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Null: to this process's stderr. */
  readonly logPath: string | null;
}

/**
 * One node as a child process. It stands in a process group of its own, so that a Ctrl-C at the
 * terminal reaches its parent alone, which then stops every node once; should the parent be killed,
 * the closed channel stops it.
 */
export class DevNode {
  readonly member: DevMember;
  readonly ended: Promise<NodeExit>;
  readonly #child: ChildProcess;
  readonly #logPath: string | null;
  #exit: NodeExit | null = null;
  #isServing = false;

  constructor(options: DevNodeOptions) {
    this.member = options.member;
    this.#logPath = options.logPath;
    const log = options.logPath === null ? "inherit" : openSync(options.logPath, "a");
    try {
      this.#child = fork(options.binPath, [...options.args], {
        stdio: ["ignore", "ignore", log, "ipc"],
        env: { ...options.env },
        execArgv: [],
        detached: true,
      });
    } finally {
      if (log !== "inherit") {
        closeSync(log);
      }
    }
    const ended = deferred<NodeExit>();
    this.ended = ended.promise;
    this.#child.on("message", (message) => {
      this.#isServing ||= isReady(message);
    });
    const settle = (exit: NodeExit): void => {
      this.#exit ??= exit;
      ended.resolve(this.#exit);
    };
    this.#child.on("exit", (code, signal) => settle({ code, signal }));
    this.#child.on("error", () => {
      if (this.#child.pid === undefined) {
        settle({ code: 1, signal: null });
      }
    });
  }

  get pid(): number | null {
    return this.#child.pid ?? null;
  }

  get isRunning(): boolean {
    return this.#exit === null;
  }

  /** It is part of a cluster, and can be asked. */
  get isServing(): boolean {
    return this.#isServing && this.isRunning;
  }

  /** Signals this one process, by its id. */
  kill(signal: "SIGTERM" | "SIGKILL"): void {
    if (this.isRunning) {
      this.#child.kill(signal);
    }
  }

  /** The last error in its log; null where that is not to be had. */
  lastError(): NodeFault | null {
    if (this.#logPath === null) {
      return null;
    }
    try {
      return lastErrorOf(readFileSync(this.#logPath, "utf8"), this.pid);
    } catch {
      return null;
    }
  }
}

/** Of the JSON lines that the process wrote; text that is not JSON counts where nothing else is. */
export function lastErrorOf(log: string, pid: number | null): NodeFault | null {
  const lines = log.trimEnd().split("\n").slice(-50).reverse();
  let hint = "";
  for (const line of lines) {
    try {
      const entry = JSON.parse(line) as LogEntry;
      if (entry.pid === pid && entry.level === "error" && entry.msg !== undefined) {
        return { message: entry.msg, hint: entry.hint ?? "" };
      }
    } catch {
      if (line.startsWith("rollcall: ")) {
        return { message: line.replace("rollcall: ", ""), hint };
      }
      hint = line.startsWith("hint: ") ? line.replace("hint: ", "") : hint;
    }
  }
  return null;
}

interface LogEntry {
  readonly pid?: number;
  readonly level?: string;
  readonly msg?: string;
  readonly hint?: string;
}

function isReady(message: Serializable): message is NodeReady & Serializable {
  return typeof message === "object" && message !== null && "type" in message
    ? message.type === "ready"
    : false;
}
