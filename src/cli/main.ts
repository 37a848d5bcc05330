/**
 * The program. Loading it prints nothing by itself; a module that cannot be loaded is told in one
 * line, without a stack. The exit waits for what was written, and for nothing else.
 */
async function main(): Promise<void> {
  let exitCode = 1;
  try {
    const { nodeWorld } = await import("./node-world.ts");
    const { run } = await import("./program.ts");
    exitCode = await run(nodeWorld());
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    process.stderr.write(`rollcall: cannot run: ${text}\n`);
  }
  process.stdout.write("", () => process.stderr.write("", () => process.exit(exitCode)));
}

void main();
