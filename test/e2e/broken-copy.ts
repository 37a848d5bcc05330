import { cp, readFile, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { mutated } from "../mutants/mutant.ts";

const TOP = fileURLToPath(new URL("../..", import.meta.url));

/** A text that stands once in a built file, and what takes its place. */
export interface Fault {
  readonly file: string;
  readonly find: string;
  readonly replace: string;
}

export function storageFault(file: string, find: string, replace: string): Fault {
  return { file: join("dist", "src", "storage", file), find, replace };
}

/** What was built, with faults, in `directory`. */
export async function brokenCopy(directory: string, faults: readonly Fault[]): Promise<void> {
  for (const name of ["bin", "dist", "package.json"]) {
    await cp(join(TOP, name), join(directory, name), { recursive: true });
  }
  await symlink(join(TOP, "node_modules"), join(directory, "node_modules"));
  for (const fault of faults) {
    const path = join(directory, fault.file);
    const mutant = { ...fault, name: "a broken node", imitates: "", tests: "" };
    await writeFile(path, mutated(await readFile(path, "utf8"), mutant));
  }
}
