/** What the command line needs of the process around it; a test brings its own. */
export interface World {
  /** What was typed after `rollcall`. */
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  /** The program itself, for the child processes of `dev`. */
  readonly binPath: string;
  readonly stdout: Sink;
  readonly stderr: Sink;
  /** Somebody sits at a terminal, whose Ctrl-C reaches child processes too. */
  readonly isInteractive: boolean;
  readonly signals: Signals;
}

export interface Sink {
  readonly isTty: boolean;
  write(text: string): void;
  /** Nobody reads any more (EPIPE), e.g. behind `| head -1`. Runs at once when that is so already. */
  onGone(run: () => void): void;
}

export type SignalName = "SIGINT" | "SIGTERM" | "SIGHUP";

export interface Signals {
  /** Until it is called back, the signal does not end the process. */
  on(name: SignalName, run: () => void): () => void;
}
