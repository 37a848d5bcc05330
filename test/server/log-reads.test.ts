import { expect, it } from "vitest";
import { LOG_READS_WAITING_MAX } from "../../src/limits.ts";
import { LogReads } from "../../src/server/log-reads.ts";
import { deferred } from "../../src/util/deferred.ts";
import { settle } from "../client/fake-time.ts";

it("parts of the log are read one after the other, and who comes when many wait is refused", async () => {
  const reads = new LogReads();
  const disk = Array.from({ length: LOG_READS_WAITING_MAX + 1 }, () => deferred<string>());
  let begun = 0;
  const answers = disk.map(({ promise }) =>
    reads.take(() => {
      begun += 1;
      return promise;
    }),
  );
  expect(await reads.take(async () => "one too many")).toBeNull();
  await settle();
  expect(begun).toBe(1);
  disk[0]?.reject(new Error("the disk fails"));
  await expect(answers[0]).rejects.toThrow("the disk fails");
  await settle();
  expect(begun).toBe(2);
  const next = reads.take(async () => "there is room again");
  for (const one of disk) one.resolve("read");
  expect(await Promise.all(answers.slice(1))).toEqual(disk.slice(1).map(() => "read"));
  expect(await next).toBe("there is room again");
});
