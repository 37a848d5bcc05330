import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { HARNESS, type Told } from "./preload-order.ts";

/** Started with this module (`--import`), a node does what the harness cannot do from outside. */
const { bin, stallPath, bounds } = JSON.parse(process.env[HARNESS] ?? "null") as Told;

// Its loop turns no further: no timers, no sockets, no disk, though the process runs.
process.on("SIGUSR2", () => {
  const startedMs = performance.now();
  const ms = Number(readFileSync(stallPath, "utf8"));
  while (performance.now() - startedMs < ms);
  const stoodStillMs = Math.round(performance.now() - startedMs);
  process.stderr.write(`${JSON.stringify({ msg: "stood still", stoodStillMs })}\n`);
});

if (bounds !== null) {
  // Of the build that is accused, which may be another one than this.
  const path = join(dirname(bin), "..", "dist", "src", "replica", "snapshot-taker.js");
  const { SNAPSHOT_LIMITS } = await import(pathToFileURL(path).href);
  Object.assign(SNAPSHOT_LIMITS, bounds);
}
