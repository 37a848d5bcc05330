import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Misuse } from "../command-line.ts";
import type { Nemesis } from "../nemeses/nemesis.ts";
import { NEMESES } from "./plan.ts";

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

const FILE = "orders.json";

export async function writeOrders(directory: string, orders: Orders): Promise<void> {
  await writeFile(join(directory, FILE), `${JSON.stringify(orders, null, 2)}\n`);
}

export async function readOrders(directory: string): Promise<Orders> {
  const text = await readFile(join(directory, FILE), "utf8").catch(() => {
    throw new Misuse(`there is no run in '${directory}': it has no ${FILE}`);
  });
  return JSON.parse(text);
}

/** Throws a `Misuse` where one is not there. */
export function nemesesOf(names: readonly string[]): readonly Nemesis[] {
  const unknown = names.find((name) => NEMESES.every((nemesis) => nemesis.name !== name));
  if (unknown !== undefined) throw new Misuse(`nothing is called '${unknown}' that disturbs a run`);
  return NEMESES.filter(({ name }) => names.includes(name));
}
