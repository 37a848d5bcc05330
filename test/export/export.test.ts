import { readFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { describe, expect, test } from "vitest";
import { outcome, recorded } from "../../jepsen-lite/checker/recorded.ts";
import { type PorcupineOperation, porcupine } from "../../jepsen-lite/export/porcupine.ts";
import { writeExport } from "../../jepsen-lite/export/write.ts";
import { realHistory } from "../checker/real-history.ts";
import { Story, TTL_MS, X, Y } from "../checker/story.ts";
import { temporaryDirectory } from "../storage/fixture.ts";
import { type Read, readEdn } from "./edn-reader.ts";

const history = realHistory();
const all = recorded(history);

async function linesIn(path: string): Promise<string[]> {
  return (await readFile(path, "utf8")).trim().split("\n");
}

/** Written, and read back. */
async function edn(events = history): Promise<Record<string, Map<string, Read>[]>> {
  const files: Record<string, Map<string, Read>[]> = {};
  for (const path of await writeExport("elle", events, await temporaryDirectory())) {
    const operations = (await linesIn(path)).map((line) => readEdn(line) as Map<string, Read>);
    files[basename(path)] = operations;
  }
  return files;
}

function small(): Story {
  const story = new Story().open("s");
  const both = [
    [X, 'a "quoted" \\ content,\n ü'],
    [Y, "w"],
  ] as const;
  story.put("s", 1, both, 1).read("r", 1, both);
  story.fail(story.putting("s", 2, [[X, "refused"]]), "TAKEN_OVER", 1).removing("s", 3, X);
  story.read("r", 1, [], { type: "stale", maxAgeMs: null });
  return story.wait(TTL_MS).told("s", "ttl", 2).read("r", 2, []);
}

/** An update of what is owned, one that was refused, a goodbye, and what is lasting. */
function kinds(): Story {
  const story = new Story()
    .open("s")
    .open("t")
    .put("s", 1, [[X, "v"]], 1);
  story.ok(story.updating("t", 1, [X, "w"], 1), 2);
  story.fail(story.updating("t", 2, [X, "never"], 1), "CONFLICT", 2).bye("s", 2, 3);
  story.fail(story.updating("t", 3, [X, "nor this"]), "NOT_FOUND", 3);
  return story.lasting("t", 4, [[X, "u"]], 4);
}

describe("a history for Elle", () => {
  test("is well-formed: two events each, one at a time in a process, by time", async () => {
    const files = await edn();
    expect(Object.keys(files)).toEqual([
      "history.edn",
      "strict-serializable.edn",
      "serializable.edn",
    ]);
    for (const events of Object.values(files)) {
      expect(events.map((event) => event.get(":index"))).toEqual(events.map((_, i) => i));
      const times = events.map((event) => event.get(":time") as number);
      expect(times).toEqual(times.toSorted((a, b) => a - b));
      const open = new Map<Read, Map<string, Read>>();
      const ended = new Set<Read>();
      for (const event of events) {
        const process = event.get(":process") ?? null;
        const before = open.get(process);
        expect(ended.has(process)).toBe(false);
        if (event.get(":type") === ":invoke") {
          expect(before).toBeUndefined();
          open.set(process, event);
        } else {
          expect(before?.get(":f")).toBe(event.get(":f"));
          open.delete(process);
          if (event.get(":type") === ":info") ended.add(process);
        }
      }
      expect(open.size).toBe(0);
    }
  });

  test("holds every operation, with what became of it", async () => {
    const events = (await edn())["history.edn"] ?? [];
    const sessions = [...all.sessions.values()];
    const operations = [
      ...[...all.writes, ...all.reads],
      ...sessions.flatMap(({ open, touches }) => [open, ...touches]),
    ];
    const ofType = (type: string): number =>
      events.filter((event) => event.get(":type") === type).length;
    const became = (type: string | undefined): number =>
      operations.filter((operation) => outcome(operation)?.event.type === type).length;
    expect(ofType(":invoke")).toBe(operations.length);
    expect(ofType(":ok")).toBe(became("ok"));
    expect(ofType(":fail")).toBe(became("fail"));
    expect(ofType(":info")).toBe(became(undefined));
    expect(ofType(":info")).toBeGreaterThan(0);
    const put = events
      .filter((event) => event.get(":type") === ":invoke" && event.get(":f") === ":write")
      .map((event) => event.get(":value"));
    const puts = all.writes.filter(({ call }) => call.puts.length > 0);
    const contents = puts.map(({ call }) => call.puts.map(({ key, content }) => [key, content]));
    expect(put).toEqual(contents);
  });

  test("holds every write and linearizable read as a transaction", async () => {
    const files = await edn();
    const transactions = (name: string, type: string): Read[] =>
      (files[name] ?? [])
        .filter((event) => event.get(":type") === type && event.get(":f") === ":txn")
        .map((event) => event.get(":value") ?? null);
    const puts = all.writes.filter(({ call }) => call.puts.length > 0);
    const strict = all.reads.filter(({ call }) => call.mode.type === "linearizable");
    const invoked = transactions("strict-serializable.edn", ":invoke");
    expect(invoked.length).toBe(puts.length + strict.length);
    expect(transactions("serializable.edn", ":invoke").length).toBe(puts.length + all.reads.length);
    const views = strict
      .flatMap((read) => outcome(read) ?? [])
      .sort((a, b) => a.at - b.at)
      .flatMap(({ event }) => (event.type === "ok" ? [event.view ?? []] : []))
      .filter((view) => view.length > 0);
    const isRead = (value: Read): boolean => Array.isArray(value) && value.flat()[0] === ":r";
    expect(transactions("strict-serializable.edn", ":ok").filter(isRead)).toEqual(
      views.map((view) => view.map(([key, content]) => [":r", key, content])),
    );
    expect(
      invoked
        .filter(isRead)
        .flat()
        .every((read) => (read as Read[])[2] === null),
    ).toBe(true);
  });

  test("is written like this", async () => {
    const { "history.edn": events = [], "strict-serializable.edn": strict = [] } = await edn(
      small().events,
    );
    const briefly = (event: Map<string, Read>): Read[] =>
      [":process", ":type", ":f", ":value", ":error"].map((name) => event.get(name) ?? null);
    const both = [
      [X, 'a "quoted" \\ content,\n ü'],
      [Y, "w"],
    ];
    const ofA = ["default", "a", null];
    expect(events.map(briefly)).toEqual([
      [0, ":invoke", ":open", "s", null],
      [0, ":ok", ":open", "s", null],
      [0, ":invoke", ":write", both, null],
      [0, ":ok", ":write", both, null],
      [1, ":invoke", ":read", ofA, null],
      [1, ":ok", ":read", both, null],
      [0, ":invoke", ":write", [[X, "refused"]], null],
      [0, ":fail", ":write", [[X, "refused"]], "TAKEN_OVER"],
      [0, ":invoke", ":remove", [X], null],
      [1, ":invoke", ":read", ofA, null],
      [1, ":ok", ":read", [], null],
      [1, ":invoke", ":read", ofA, null],
      [1, ":ok", ":read", [], null],
      [0, ":info", ":remove", [X], null],
    ]);
    const written = both.map(([key = "", content = ""]) => [":w", key, content]);
    expect(strict.map(briefly).slice(0, 4)).toEqual([
      [0, ":invoke", ":txn", written, null],
      [0, ":ok", ":txn", written, null],
      [1, ":invoke", ":txn", both.map(([key = ""]) => [":r", key, null]), null],
      [1, ":ok", ":txn", both.map(([key = "", text = ""]) => [":r", key, text]), null],
    ]);
  });
});

describe("the kinds of writes", () => {
  test("have names of their own for Elle, and those that change something are transactions", async () => {
    const { "history.edn": events = [], "strict-serializable.edn": strict = [] } = await edn(
      kinds().events,
    );
    const invoked = (all: readonly Map<string, Read>[]) =>
      all
        .filter((event) => event.get(":type") === ":invoke")
        .map((event) => [event.get(":f"), event.get(":value")]);
    expect(invoked(events).slice(2)).toEqual([
      [":write", [[X, "v"]]],
      [":update", [[X, "w"]]],
      [":update", [[X, "never"]]],
      [":bye", "s"],
      [":update", [[X, "nor this"]]],
      [":write", [[X, "u"]]],
    ]);
    expect(invoked(strict).map(([, value]) => (value as Read[][])[0]?.[2])).toEqual([
      ...["v", "w", "never", "nor this", "u"],
    ]);
  });

  test("are told apart for Porcupine, with the end of a session where its goodbye was", () => {
    const told = kinds();
    const operations = [...porcupine(told.events)];
    const what = operations.map(({ input: { kind, session, content, lasting } }) => [
      ...[kind, session, content, lasting],
    ]);
    expect(what).toEqual([
      ["put", "s", "v", false],
      ["end", "s", null, false],
      ["update", "t", "w", false],
      ["present", "t", null, false],
      ["absent", "t", null, false],
      ["put", "t", "u", true],
      ["end", "t", null, false],
    ]);
    const [, end, update, , absent] = operations;
    expect(end?.output.known).toBe(true);
    expect(end?.call).toBeGreaterThan(update?.return ?? 0);
    expect(end?.return).toBeLessThan(absent?.call ?? 0);
  });
});

describe("a history for Porcupine", () => {
  async function operations(events = history): Promise<PorcupineOperation[]> {
    const directory = await temporaryDirectory();
    await writeExport("porcupine", events, directory);
    const lines = await linesIn(join(directory, "porcupine.jsonl"));
    return lines.map((line) => JSON.parse(line) as PorcupineOperation);
  }

  test("holds every write and every linearizable read, in all of its keys", async () => {
    const written = await operations();
    const count = (...kinds: string[]): number =>
      written.filter(({ input: { kind } }) => kinds.includes(kind)).length;
    const failed = all.writes.filter((write) => outcome(write)?.event.type === "fail");
    const others = all.writes.filter((write) => !failed.includes(write));
    const keysOf = ({ call }: (typeof others)[number]): number =>
      call.puts.length + call.removes.length;
    expect(count("put")).toBe(others.reduce((sum, { call }) => sum + call.puts.length, 0));
    expect(count("remove")).toBe(others.reduce((sum, { call }) => sum + call.removes.length, 0));
    expect(count("refused")).toBe(
      failed.filter((write) => {
        const event = outcome(write)?.event;
        return event?.type === "fail" && event.code === "TAKEN_OVER" && keysOf(write) === 1;
      }).length,
    );
    const shown = all.reads.flatMap((read) => {
      const event = outcome(read)?.event;
      const isOne = read.call.mode.type === "linearizable" && event?.type === "ok";
      return isOne ? (event.view ?? []).map(([, content]) => content) : [];
    });
    const contents = written.flatMap(({ output: { content } }) => content ?? []);
    expect(contents.sort()).toEqual(shown.sort());
    expect(count("end")).toBeGreaterThan(0);
  });

  test("is well-formed: a call before its return, and no client with two at once", async () => {
    const last = new Map<string, number>();
    const byCall = (await operations()).sort((a, b) => a.call - b.call);
    for (const { key, clientId, call, return: returned } of byCall) {
      expect(Number.isSafeInteger(call) && Number.isSafeInteger(returned)).toBe(true);
      expect(call).toBeLessThan(returned);
      const client = `${key} ${clientId}`;
      expect(call).toBeGreaterThan(last.get(client) ?? -1);
      last.set(client, returned);
    }
  });

  test("is written like this", () => {
    const ofX = [...porcupine(small().events)].filter(({ key }) => key === X);
    const what = ofX.map(({ input: { kind, seq }, output }) => [kind, seq, output.known]);
    expect(what).toEqual([
      ["put", 1, true],
      ["refused", 2, true],
      ["remove", 3, false],
      ["end", Number.MAX_SAFE_INTEGER, true],
      ["read", 0, true],
      ["read", 0, true],
    ]);
    expect(ofX[0]).toMatchObject({
      input: { session: "s", content: 'a "quoted" \\ content,\n ü', meta: [["tag", "none"]] },
      output: { content: null },
    });
    const [one, other] = ofX.slice(4).map(({ output }) => output.content);
    expect([one, other]).toEqual(['a "quoted" \\ content,\n ü', null]);
  });
});
