import { expect, test } from "vitest";
import { wordsOf } from "../../jepsen-lite/report/words.ts";

test("a content is told by the value in it, and of a view what is meant is shown", () => {
  const value = `${"0123456789abcdef".repeat(2)}-7.0`;
  const content = `[[["tag","read"],["value","${value}"]],100,"up"]`;
  const view = [
    ["a", content],
    ["b", "plain"],
  ] as const;
  const event = {
    type: "snapshot",
    atMs: 1,
    stream: 1,
    revision: 3,
    view,
    isReset: false,
  } as const;
  expect(wordsOf(event)).toBe("snapshot at revision 3: a = 01234567-7.0, b = plain");
  expect(wordsOf(event, new Set(["b"]))).toBe("snapshot at revision 3: b = plain among 2");
});
