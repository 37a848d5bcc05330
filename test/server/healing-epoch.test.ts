import { expect, it } from "vitest";
import { startHealed } from "../../src/server/healing.ts";
import type { MemberOptions } from "../../src/server/member-options.ts";
import { openDirectory } from "../../src/storage/directory.ts";
import { birthOf, random } from "../storage/fixture.ts";
import { damaged, environment, none, serve } from "./healing-world.ts";

/** What becomes of a member of epoch 1 that asks n2, which is of this lineage. */
async function asked(lineageOfN2: (clusterId: string) => string) {
  const { directory, damage } = await damaged();
  const birth = birthOf(directory);
  const lineage = lineageOfN2(birth.clusterId);
  const place = await serve(() => ({ source: none, lineage, leader: "n2" }));
  const { logger, ...rest } = environment();
  const stopped = new AbortController();
  const options = {
    ...{ ...rest, logger, name: "n1", birth, signal: stopped.signal },
    addresses: { told: () => {}, names: [], dialable: () => [place] },
    directory: {
      ...{ path: directory.path, salvage: () => directory.salvage() },
      open: async () => {
        throw damage;
      },
      supersede: (text: string) => directory.supersede(text),
    },
  } as unknown as MemberOptions;
  let stop = (): void => {};
  const started = startHealed(options, {
    onHealing: (healing) => (stop = () => healing.stop()),
    reopen: () => Promise.reject(new Error("it is not whole")),
  });
  return { directory, started, logger, stop: () => stop() };
}

it("a member that heals ends, for good, where its cluster goes on in a later epoch", async () => {
  const { directory, started } = await asked((clusterId) => `${clusterId}.7`);
  await expect(started).rejects.toMatchObject({
    exitCode: 78,
    message: expect.stringMatching(/goes on in epoch 7, by the word of n2; n1 is of epoch 1$/),
  });
  await directory.close();
  await expect(openDirectory(directory.path, "n1", random)).rejects.toMatchObject({
    code: "SUPERSEDED",
  });
});

it("a member that heals asks on where another cluster answers, however late its epoch", async () => {
  const { started, logger, stop } = await asked(() => `${"d".repeat(32)}.7`);
  await logger.said(/n2: it is no member of this cluster, but of lineage d+\.7/);
  stop();
  expect(await started).toBeNull();
});
