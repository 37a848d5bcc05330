import { readFileSync } from "node:fs";

const PACKAGE = "rollcall";

/** Of the package that this file belongs to, in the source tree and in `dist`. */
export function packageVersion(): string {
  for (const up of ["../../package.json", "../../../package.json"]) {
    try {
      const found = JSON.parse(readFileSync(new URL(up, import.meta.url), "utf8")) as {
        readonly name?: string;
        readonly version?: string;
      };
      if (found.name === PACKAGE && found.version !== undefined) {
        return found.version;
      }
    } catch {
      // Not there; the next one is.
    }
  }
  return "unknown";
}
