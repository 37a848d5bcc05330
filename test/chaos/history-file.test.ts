import { appendFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { HistoryWriter, readHistory } from "../../jepsen-lite/chaos/history-file.ts";
import type { Event } from "../../jepsen-lite/history.ts";
import { Story, X, Y } from "../checker/story.ts";
import { temporaryDirectory } from "../storage/fixture.ts";

const { events } = new Story()
  .open("s")
  .put("s", 1, [[X, "v"]], 1)
  .read("r", 1, [[X, "v"]])
  .read("r", 1, [[X, "v"]]);
const stream = 7;
const selector = { namespace: "n", application: "a", protocol: null, meta: [] };
const watched: Event[] = [
  { type: "subscribe", atMs: 9, stream, process: "w", selector, from: null, mode: "delta" },
  { type: "snapshot", atMs: 9, stream, revision: 1, view: [[X, "v"]], isReset: false },
  {
    ...{ type: "delta", atMs: 9, stream, revision: 2, put: [[Y, "w"]] },
    ...{ remove: [X], collapsed: null },
  },
];

async function written(history: readonly Event[]): Promise<string> {
  const path = join(await temporaryDirectory(), "history.jsonl");
  const writer = new HistoryWriter(path);
  for (const event of history) writer.write(event);
  await writer.end();
  return path;
}

test("a history is in its file as it came, and nothing that comes behind its end", async () => {
  const history = [...events, ...watched];
  const path = join(await temporaryDirectory(), "history.jsonl");
  const writer = new HistoryWriter(path);
  for (const event of history) writer.write(event);
  await writer.end();
  writer.write({ type: "calm", atMs: 10 });
  expect(await readHistory(path)).toEqual(history);
});

test("a line that was torn by the end of its writer is left out", async () => {
  const path = await written(events);
  await appendFile(path, '{"type":"cal');
  expect(await readHistory(path)).toEqual(events);
});

test("what views say over and over is in memory once", async () => {
  const history = await readHistory(await written(events));
  const [one, other] = history.flatMap((event) =>
    event.type === "ok" && event.view !== undefined ? [event.view] : [],
  );
  expect(one?.[0]).toBe(other?.[0]);
});
