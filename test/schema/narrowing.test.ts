import { describe, expect, it } from "vitest";
import * as z from "zod";
import {
  INSTANCES_PER_COMMAND_MAX,
  META_PAIRS_MAX,
  SUBSCRIBES_PER_REQUEST_MAX,
} from "../../src/limits.ts";
import { checkBySchema } from "../../src/schema/client-message.ts";
import { narrowed } from "../../src/schema/narrowing.ts";

const key = { application: "a", protocol: "http", addr: "h:1" };
const write = { type: "register", id: 1, seq: 1, low: 1 };
const LISTS = { items: z.literal("right") };
const times = <T>(count: number, item: T): T[] => Array.from({ length: count }, () => item);

/** Counts how many of its values are looked at. */
function counted(count: number): { readonly meta: object; readonly seen: () => number } {
  let seen = 0;
  const meta = Object.fromEntries(times(count, 0).map((_, index) => [`k${index}`, index]));
  const proxy = new Proxy(meta, {
    get: (target, field) => {
      seen += 1;
      return Reflect.get(target, field);
    },
  });
  return { meta: proxy, seen: () => seen };
}

describe("of a refused message", () => {
  it("no list is looked at beyond its first wrong item", () => {
    const items = ["right", "right", "wrong", ...times(200, "wrong")];
    expect(narrowed({ items }, LISTS)).toEqual({ items: ["right", "right", "wrong"] });
  });

  it("a list that is right is not looked at again", () => {
    expect(narrowed({ items: times(200, "right") }, LISTS)).toEqual({ items: ["right"] });
    expect(narrowed({ items: [] }, LISTS)).toEqual({ items: [] });
  });

  it("what is too wide stays too wide, and is not read to its end", () => {
    const { meta, seen } = counted(100_000);
    const checked = checkBySchema({ ...write, ...key, meta });
    expect(checked).toMatchObject({
      refusal: { code: "LIMIT", field: "meta", limit: META_PAIRS_MAX },
    });
    expect(seen()).toBeLessThan(1_000);
  });

  it.each([
    ["instances", { ...write, instances: times(INSTANCES_PER_COMMAND_MAX + 1, key) }],
    [
      "subscribes",
      {
        ...{ type: "subscribe", id: 1 },
        subscribes: times(SUBSCRIBES_PER_REQUEST_MAX + 1, { application: "a" }),
      },
    ],
  ])("too many %s are still told by their limit", (field, message) => {
    expect(checkBySchema(message)).toMatchObject({ refusal: { code: "LIMIT", field } });
  });

  it("a wrong item is still named by its place", () => {
    const instances = [...times(100, key), { ...key, addr: "h" }, { ...key, weight: -1 }];
    const checked = checkBySchema({ ...write, instances });
    expect(checked).toMatchObject({ refusal: { code: "INVALID", field: "instances.100.addr" } });
  });

  it("an own key __proto__ is still found", () => {
    const message = { ...write, ...key, meta: JSON.parse('{"__proto__":"x"}') };
    expect(checkBySchema(message)).toMatchObject({ refusal: { field: "meta.__proto__" } });
  });
});
