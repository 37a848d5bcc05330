import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { COMMANDS } from "./stage.ts";
import { commandsIn, played } from "./transcript.ts";

const FOLDER = new URL("transcripts/", import.meta.url);
const isUpdate = process.env["UPDATE_GOLDEN"] === "1";
const names = readdirSync(FOLDER).sort();

function readTranscript(name: string): string {
  return readFileSync(new URL(name, FOLDER), "utf8");
}

describe("transcripts (UPDATE_GOLDEN=1 writes them: keep no difference that you cannot explain)", () => {
  test.for(names)("%s is what the cluster says", (name) => {
    const text = readTranscript(name);
    const today = played(text);
    if (isUpdate) writeFileSync(new URL(name, FOLDER), today);
    else expect(today).toBe(text);
  });

  test("a transcript that says something else than the cluster is found", () => {
    const text = "cluster 1\ntimeout n1\n----\nn1 is follower t0\n";
    expect(played(text)).toContain("n1 is leader t1\n");
    expect(() => played("cluster 1\nvote n1\n----\n")).toThrow("no command is called vote");
  });

  test("every command of the language is spoken in one of them", () => {
    const spoken = new Set(
      names.flatMap((name) => commandsIn(readTranscript(name)).map((line) => line.split(" ")[0])),
    );
    expect([...spoken].sort()).toEqual(Object.keys(COMMANDS).sort());
  });
});
