import { execFile } from "node:child_process";
import { promisify } from "node:util";

const run = promisify(execFile);
/** None of them does more than a small file system. */
const MS_MAX = 60_000;

/** A command of the operating system, to its end; rejects with what it said where it fails. */
export async function command(file: string, ...args: readonly string[]): Promise<string> {
  try {
    return (await run(file, [...args], { timeout: MS_MAX })).stdout.trim();
  } catch (error) {
    const { code, stdout, stderr } = error as { code: unknown; stdout?: string; stderr?: string };
    const [said = ""] = `${stderr ?? ""}${stdout ?? ""}`.trim().split("\n");
    throw new Error(`${file} ${args.join(" ")}: ${said === "" ? String(code) : said}`);
  }
}
