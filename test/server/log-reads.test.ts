import { describe, expect, it } from "vitest";
import { nodeTimers } from "../../src/env/node-env.ts";
import { LOG_READS_WAITING_MAX } from "../../src/limits.ts";
import { answerHttp, type HttpHost } from "../../src/server/http.ts";
import { LogReads } from "../../src/server/log-reads.ts";
import { deferred } from "../../src/util/deferred.ts";
import { settle } from "../client/fake-time.ts";
import { httpHostOf, LINEAGE, none } from "./healing-world.ts";

const { signal: never } = new AbortController();

describe("reads of the log", () => {
  it("are made one after the other, and who comes when many wait is refused", async () => {
    const { current } = new LogReads(nodeTimers);
    const disk = Array.from({ length: LOG_READS_WAITING_MAX + 1 }, () => deferred<string>());
    const sent = disk.map(() => new AbortController());
    let begun = 0;
    const answers = disk.map(({ promise }, at) =>
      current.take(sent[at]?.signal ?? never, () => {
        begun += 1;
        return promise;
      }),
    );
    expect(await current.take(never, async () => "one too many")).toBeNull();
    await settle();
    expect(begun).toBe(1);
    disk[0]?.reject(new Error("the disk fails"));
    await expect(answers[0]).rejects.toThrow("the disk fails");
    await settle();
    expect(begun).toBe(2);
    const next = current.take(never, async () => "there is room again");
    for (const one of disk) one.resolve("read");
    for (const one of sent) one.abort();
    expect(await Promise.all(answers.slice(1, 3))).toEqual(["read", null]);
    expect(await next).toBe("there is room again");
  });

  it("hold their turn until what was read is sent", async () => {
    const { current } = new LogReads(nodeTimers);
    const sent = new AbortController();
    expect(await current.take(sent.signal, async () => "a page")).toBe("a page");
    let isBegun = false;
    const next = current.take(never, async () => {
      isBegun = true;
    });
    await settle();
    expect(isBegun).toBe(false);
    sent.abort();
    await next;
    expect(isBegun).toBe(true);
  });

  it("pass it on where what was read is not taken in the time that an asker waits", async () => {
    const due: (() => void)[] = [];
    const timers = {
      ...nodeTimers,
      after: (_: number, run: () => void) => {
        due.push(run);
        return { cancel: () => {} };
      },
    };
    const { current } = new LogReads(timers);
    await current.take(never, async () => "a page");
    const next = current.take(never, async () => "the next one");
    for (const run of due.splice(0)) run();
    expect(await next).toBe("the next one");
  });

  it("are dropped, and leave their place, where nobody waits for them any more", async () => {
    const { current } = new LogReads(nodeTimers);
    const disk = deferred<string>();
    const sent = new AbortController();
    const first = current.take(sent.signal, () => disk.promise);
    const gone = new AbortController();
    let reads = 0;
    const read = async (): Promise<void> => {
      reads += 1;
    };
    const waiting = Array.from({ length: LOG_READS_WAITING_MAX }, () =>
      current.take(gone.signal, read),
    );
    gone.abort();
    expect(await Promise.all(waiting)).toEqual(waiting.map(() => null));
    const last = current.take(never, async () => "somebody waits for this");
    disk.resolve("read");
    await first;
    sent.abort();
    expect(await last).toBe("somebody waits for this");
    expect(reads).toBe(0);
  });
});

describe("a part of the log", () => {
  async function ask(host: HttpHost, given: Record<string, string>, over: AbortSignal) {
    const query = new URLSearchParams({ lineage: LINEAGE, ...given });
    const request = { method: "GET", host: null, origin: null, path: "/v1/log", query, over };
    return JSON.parse((await answerHttp(host, request)).body);
  }

  it("says whom the node follows when it is read, not when it was asked for", async () => {
    let leader: string | null = "n1";
    const disk = deferred<string>();
    const logReads = new LogReads(nodeTimers);
    const sent = new AbortController();
    const before = logReads.current.take(sent.signal, () => disk.promise);
    const host = httpHostOf(() => ({ source: none, lineage: LINEAGE, leader }), logReads);
    const answer = ask(host, { to: "1" }, new AbortController().signal);
    await settle();
    leader = null;
    disk.resolve("read");
    await before;
    sent.abort();
    expect(await answer).toMatchObject({ kind: "LogPart", leader: null });
  });

  it("is read while the database from before is looked through for somebody else", async () => {
    const disk = deferred<readonly Uint8Array[]>();
    const source = { ...none, readFormerDownFrom: () => disk.promise };
    const host = httpHostOf(() => ({
      source,
      lineage: LINEAGE,
      leader: null,
    }));
    const slow = ask(host, { to: "1" }, new AbortController().signal);
    await settle();
    const given = { snapshot: "current" };
    const { signal } = new AbortController();
    expect(await ask(host, given, signal)).toMatchObject({ kind: "SnapshotRecord", record: null });
    disk.resolve([Buffer.from("an entry")]);
    expect(await slow).toMatchObject({ kind: "LogPart", items: [expect.any(String)] });
  });
});
