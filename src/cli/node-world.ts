import { fileURLToPath } from "node:url";
import type { Sink, World } from "./world.ts";

/** The process that this runs in. */
export function nodeWorld(): World {
  const [, script] = process.argv;
  return {
    args: process.argv.slice(2),
    env: process.env,
    cwd: process.cwd(),
    binPath: script ?? fileURLToPath(import.meta.url),
    stdout: sinkOf(process.stdout),
    stderr: sinkOf(process.stderr),
    isInteractive: process.stdin.isTTY === true,
    signals: {
      on(name, run) {
        process.on(name, run);
        return () => process.off(name, run);
      },
    },
  };
}

/** A reader that has gone is no error of ours: what is written after it is dropped. */
function sinkOf(stream: NodeJS.WriteStream): Sink {
  let isGone = false;
  const waiting: (() => void)[] = [];
  stream.on("error", () => {
    isGone = true;
    for (const run of waiting.splice(0)) {
      run();
    }
  });
  return {
    isTty: stream.isTTY === true,
    write(text) {
      if (!isGone) {
        stream.write(text);
      }
    },
    onGone(run) {
      if (isGone) {
        run();
      } else {
        waiting.push(run);
      }
    },
  };
}
