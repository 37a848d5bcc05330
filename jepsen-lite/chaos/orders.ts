import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { Misuse } from "../command-line.ts";
import type { Nemesis } from "../nemeses/nemesis.ts";
import { NEMESES } from "./plan.ts";
import { FILES, writeJson } from "./run-directory.ts";

/** What a run was asked to do. It stands in the directory of the run from its first moment on. */
export interface Orders {
  readonly nodes: number;
  readonly seconds: number;
  /** At the least. */
  readonly operations: number;
  readonly seed: number;
  /** By name. */
  readonly nemeses: readonly string[];
}

export async function writeOrders(directory: string, orders: Orders): Promise<void> {
  await writeJson(join(directory, FILES.orders), orders);
}

export async function readOrders(directory: string): Promise<Orders> {
  const text = await readFile(join(directory, FILES.orders), "utf8").catch(() => {
    throw new Misuse(`there is no run in '${directory}': it has no ${FILES.orders}`);
  });
  return JSON.parse(text);
}

/** Throws a `Misuse` where one is not there. */
export function nemesesOf(names: readonly string[]): readonly Nemesis[] {
  const unknown = names.find((name) => NEMESES.every((nemesis) => nemesis.name !== name));
  if (unknown !== undefined) throw new Misuse(`nothing is called '${unknown}' that disturbs a run`);
  return NEMESES.filter(({ name }) => names.includes(name));
}
