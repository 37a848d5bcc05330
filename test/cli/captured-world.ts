import type { SignalName, Sink, World } from "../../src/cli/world.ts";

/** A process that is none: what is written is kept, signals come when the test says so. */
export interface Captured {
  readonly world: World;
  readonly out: () => string;
  readonly err: () => string;
  readonly raise: (name: SignalName) => void;
  /** Nobody reads stdout any more. */
  readonly hangUp: () => void;
  /** Resolves when what was written to stdout matches. */
  readonly seen: (pattern: RegExp) => Promise<void>;
  /** Resolves when somebody listens for the signal. */
  readonly listening: (name: SignalName) => Promise<void>;
}

export interface CapturedOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly isTty?: boolean;
  readonly cwd?: string;
  readonly binPath?: string;
}

export function captured(args: readonly string[], options: CapturedOptions = {}): Captured {
  const written = { out: "", err: "" };
  const handlers = new Map<SignalName, Set<() => void>>();
  const gone: (() => void)[] = [];
  const watchers = new Set<() => void>();
  const changed = (): void => {
    for (const watcher of [...watchers]) {
      watcher();
    }
  };
  const when = (isSo: () => boolean): Promise<void> =>
    new Promise((resolve) => {
      const look = (): void => {
        if (isSo()) {
          watchers.delete(look);
          resolve();
        }
      };
      watchers.add(look);
      look();
    });
  const sink = (name: "out" | "err"): Sink => ({
    isTty: options.isTty ?? false,
    write(text) {
      written[name] += text;
      changed();
    },
    onGone: (run) => gone.push(run),
  });
  const world: World = {
    args,
    env: options.env ?? {},
    cwd: options.cwd ?? process.cwd(),
    binPath: options.binPath ?? "bin/rollcall.js",
    stdout: sink("out"),
    stderr: sink("err"),
    isInteractive: false,
    signals: {
      on(name, run) {
        const set = handlers.get(name) ?? new Set();
        handlers.set(name, set.add(run));
        changed();
        return () => set.delete(run);
      },
    },
  };
  return {
    world,
    out: () => written.out,
    err: () => written.err,
    raise(name) {
      for (const run of [...(handlers.get(name) ?? [])]) {
        run();
      }
    },
    hangUp() {
      for (const run of gone.splice(0)) {
        run();
      }
    },
    seen: (pattern) => when(() => pattern.test(written.out)),
    listening: (name) => when(() => (handlers.get(name)?.size ?? 0) > 0),
  };
}
