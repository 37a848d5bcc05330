import { describe, expect, it } from "vitest";
import { metaToPairs, toInstanceSpec, toSelector } from "../../src/wire/endpoint.ts";

const body = { application: "provider_test", protocol: "http", addr: "127.0.0.1:8080" };

describe("what a client says of an instance", () => {
  it("is filled with the defaults of design section 4", () => {
    expect(toInstanceSpec(body)).toStrictEqual({
      namespace: "default",
      ...body,
      meta: [],
      weight: 100,
      version: null,
      location: null,
      status: "up",
      reason: null,
      isPersistent: false,
    });
  });

  it("has one form for a location of nothing and none", () => {
    expect(toInstanceSpec({ ...body, location: {} })).toStrictEqual(toInstanceSpec(body));
  });

  it("has its meta sorted by code units, however it was sent", () => {
    const pairs = [
      ["10", "a"],
      ["9", "b"],
      ["B", "c"],
      ["a", "d"],
      ["é", "e"],
    ];
    expect(metaToPairs(Object.fromEntries(pairs))).toStrictEqual(pairs);
    expect(metaToPairs(Object.fromEntries([...pairs].reverse()))).toStrictEqual(pairs);
    expect(metaToPairs(undefined)).toStrictEqual([]);
  });
});

describe("a selector", () => {
  it("takes provider for application", () => {
    const selector = { namespace: "default", application: "a", protocol: null, meta: [] };
    expect(toSelector({ provider: "a" })).toStrictEqual(selector);
    expect(toSelector({ application: "a" })).toStrictEqual(selector);
  });
});
