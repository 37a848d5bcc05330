import { beforeEach, describe, expect, it } from "vitest";
import { Complaints } from "../../src/server/complaints.ts";
import { LogBook } from "./world.ts";

describe("complaints about dials", () => {
  let nowMs: number;
  let log: LogBook;
  let complaints: Complaints;

  beforeEach(() => {
    nowMs = 0;
    log = new LogBook();
    complaints = new Complaints(log, { monotonicMs: () => nowMs, wallMs: () => nowMs });
  });

  it("are said once, however often and long they come", () => {
    for (nowMs = 0; nowMs < 3_600_000; nowMs += 1_000) {
      complaints.say("n9@10.0.0.9", {}, "of another cluster");
    }
    expect(log.lines).toHaveLength(1);
  });

  it("are said again once the one that they are about was let in", () => {
    complaints.say("n2@10.0.0.2", {}, "of another cluster");
    complaints.settle("n2@10.0.0.2");
    complaints.say("n2@10.0.0.2", {}, "of another cluster");
    expect(log.lines).toHaveLength(2);
  });

  it("are bounded a minute, whatever a stranger thinks of, and the rest is counted", () => {
    for (let i = 0; i < 10_000; i += 1) {
      complaints.say(`${i}@10.0.0.9`, {}, "no member");
    }
    expect(log.lines).toHaveLength(20);
    nowMs = 60_000;
    complaints.say("n2@10.0.0.2", {}, "no member");
    expect(log.lines.at(-1)?.fields).toEqual({ unsaid: 9_980 });
  });
});
