import { realpathSync } from "node:fs";
import { basename, delimiter, dirname, join, relative } from "node:path";
import type { World } from "./world.ts";

/**
 * What a person types in this directory to run this very program: `rollcall` where the shell finds
 * it, `npx rollcall` where npm has put it beside the project, else the path.
 */
export function ownCommand({ env, binPath, cwd }: World): string {
  const self = real(binPath);
  const folders = (env["PATH"] ?? "").split(delimiter).filter((folder) => folder !== "");
  const places = folders.filter((folder) => {
    const found = real(join(folder, "rollcall"));
    return found !== null && found === self;
  });
  if (places.some((folder) => !isOfNpm(folder))) {
    return "rollcall";
  }
  if (places.length > 0 || isOfNpm(dirname(binPath))) {
    return "npx rollcall";
  }
  const near = relative(cwd, binPath);
  return `node ${near.length > 0 && near.length < binPath.length ? near : binPath}`;
}

/** `npm start` and `npx` put this folder into the path of what they run, and of nothing else. */
function isOfNpm(folder: string): boolean {
  return basename(folder) === ".bin";
}

function real(path: string): string | null {
  try {
    return realpathSync(path);
  } catch {
    return null;
  }
}
