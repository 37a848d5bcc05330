import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { CANARY, mutants } from "../mutants/all.ts";
import { Copy } from "../mutants/copy.ts";
import { ofSimulator } from "../mutants/judge.ts";

const SEEDS = 40;
const SECONDS_MAX = 50;

// A simulator that sees nothing is clean in every seed.
test(`the fault ${CANARY}, put into a copy of the sources, is found within ${SEEDS} seeds`, async () => {
  const canary = mutants.find(({ name }) => name === CANARY);
  if (canary === undefined) throw new Error("there is no canary");
  const copy = await Copy.make(fileURLToPath(new URL("../..", import.meta.url)), canary);
  try {
    await copy.build();
    expect(ofSimulator(await copy.simulate(SEEDS, SECONDS_MAX))).toMatchObject({
      by: "simulator",
      what: expect.stringMatching(/^Violation: /),
    });
  } finally {
    await copy.remove();
  }
});
