import { describe, expect, test } from "vitest";
import { ENCODINGS } from "../../jepsen-lite/bare/encoding.ts";
import { contentOf, padOf } from "../../jepsen-lite/bare/messages.ts";

const KEY = { namespace: "default", application: "bulk", protocol: "http", addr: "x:1" };
const OF = { ...KEY, weight: 100, status: "up" };

describe("what a history has of an instance", () => {
  test("names a pad that is as it should be, and keeps one that is not", () => {
    const pad = padOf("v1");
    const right = contentOf({ ...OF, meta: { value: "v1", pad } });
    const wrong = contentOf({ ...OF, meta: { value: "v1", pad: `${pad.slice(1)}x` } });
    const other = contentOf({ ...OF, meta: { value: "v2", pad } });
    expect(right.length).toBeLessThan(100);
    expect(wrong.length).toBeGreaterThan(pad.length);
    expect(other.length).toBeGreaterThan(pad.length);
  });
});

describe("the encodings of a bare client", () => {
  const message = {
    type: "get",
    id: 2 ** 40,
    selector: { meta: { k: "ü" } },
    read: { staleMs: null },
  };

  test.each(ENCODINGS)("$name gives back what it was given", ({ encode, decode }) => {
    expect(decode(Buffer.from(encode(message)))).toEqual(message);
    expect(decode(Buffer.from(encode([message, message])))).toEqual([message, message]);
  });

  test("MessagePack as another language writes it: a map with texts as keys, no extension", () => {
    const bytes = Buffer.from(ENCODINGS[1]?.encode({ id: 7, ok: true }) ?? "");
    expect(bytes.toString("hex")).toBe("82a2696407a26f6bc3");
  });
});
