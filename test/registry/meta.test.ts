import { describe, expect, it } from "vitest";
import type { MetaPairs } from "../../src/registry/instance.ts";
import { isSameMeta, LatestMetas } from "../../src/registry/meta.ts";
import { Registry } from "../../src/registry/registry.ts";
import { key, Log, meta, spec } from "./commands.ts";

describe("The latest metas", () => {
  it("are handed out for those that are equal to them", () => {
    const metas = new LatestMetas();
    const small = metas.shared(meta(["cluster", "small"], ["tag", "read"]));
    const large = metas.shared(meta(["cluster", "large"], ["tag", "read"]));
    expect(metas.shared(meta(["cluster", "small"], ["tag", "read"]))).toBe(small);
    expect(metas.shared(meta(["cluster", "large"], ["tag", "read"]))).toBe(large);
    expect(large).not.toBe(small);
  });

  it("are few: the oldest makes room", () => {
    const metas = new LatestMetas();
    const first = metas.shared(meta(["n", "0"]));
    for (let n = 1; n < 8; n += 1) metas.shared(meta(["n", `${n}`]));
    expect(metas.shared(meta(["n", "0"]))).toBe(first);
    metas.shared(meta(["n", "8"]));
    expect(metas.shared(meta(["n", "0"]))).not.toBe(first);
  });
});

it("Instances of an application that have equal metas share one", () => {
  const log = new Log(new Registry());
  log.open("a");
  log.register("a", spec("h:1", { meta: meta(["tag", "read"]) }));
  log.register("a", spec("h:2", { meta: meta(["tag", "read"]) }));
  const { registry } = log;
  expect(registry.get(key("h:2"))?.meta).toBe(registry.get(key("h:1"))?.meta);
});

describe("Two metas are the same", () => {
  it.each<[string, MetaPairs, MetaPairs, boolean]>([
    ["with the same pairs", meta(["a", "1"], ["b", "2"]), meta(["a", "1"], ["b", "2"]), true],
    ["with none", meta(), meta(), true],
    ["not with one pair more", meta(["a", "1"]), meta(["a", "1"], ["b", "2"]), false],
    ["not with another value", meta(["a", "1"]), meta(["a", "2"]), false],
    ["not with another key", meta(["a", "1"]), meta(["b", "1"]), false],
  ])("%s", (_, left, right, isSame) => {
    expect(isSameMeta(left, right)).toBe(isSame);
  });
});
