import { expect, it } from "vitest";
import { LOG_READS_WAITING_MAX } from "../../src/limits.ts";
import { parseNodeConfig } from "../../src/server/config.ts";
import { answerHttp, type HttpHost } from "../../src/server/http.ts";
import { LogReads } from "../../src/server/log-reads.ts";
import { Metrics } from "../../src/server/metrics.ts";
import { WebAccess } from "../../src/server/web-access.ts";
import { deferred } from "../../src/util/deferred.ts";
import { settle } from "../client/fake-time.ts";
import { LINEAGE, none } from "./healing-world.ts";

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

it("a part of the log says whom the node follows when it is read, not when it was asked for", async () => {
  let leader: string | null = "n1";
  const disk = deferred<string>();
  const logReads = new LogReads();
  const before = logReads.take(() => disk.promise);
  const config = parseNodeConfig({ id: "n1", dataDir: "n1", listen: "127.0.0.1:7400" });
  const host = {
    ...{ access: new WebAccess(config), metrics: new Metrics(), logReads },
    log: () => ({ source: none, lineage: LINEAGE, leader }),
  } as unknown as HttpHost;
  const query = new URLSearchParams({ lineage: LINEAGE, to: "1" });
  const request = { method: "GET", host: null, origin: null, path: "/v1/log", query };
  const answer = answerHttp(host, request);
  await settle();
  leader = null;
  disk.resolve("read");
  await before;
  expect(JSON.parse((await answer).body)).toMatchObject({ kind: "LogPart", leader: null });
});
