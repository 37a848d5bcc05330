import { execFile } from "node:child_process";
import { promisify } from "node:util";

const run = promisify(execFile);
/** None of them does more than a small file system. */
const MS_MAX = 60_000;

/** A command of the operating system, to its end; where it fails, with all that it said in a line. */
export async function command(file: string, ...args: readonly string[]): Promise<string> {
  try {
    return (await run(file, [...args], { timeout: MS_MAX })).stdout.trim();
  } catch (error) {
    const { code, stdout, stderr } = error as { code: unknown; stdout?: string; stderr?: string };
    const said = `${stderr ?? ""}${stdout ?? ""}`.trim().replace(/\s*\n\s*/g, "; ");
    throw new Error(`${file}: ${said === "" ? String(code) : said}`);
  }
}

/** Why this command cannot be run here; null where it can. */
export async function missingCommand(
  file: string,
  ...args: readonly string[]
): Promise<string | null> {
  return command(file, ...args).then(
    () => null,
    ({ message }: Error) => message,
  );
}
