import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { snapshotCodec } from "../../src/wire/snapshot-codec.ts";
import { registryItem } from "./arbitraries.ts";

const { encodeItem, joinItems, decodeChunk } = snapshotCodec;

describe("the bytes of a snapshot", () => {
  it("give back every item of a chunk as it was", () => {
    fc.assert(
      fc.property(fc.array(registryItem, { minLength: 1, maxLength: 5 }), (items) => {
        expect(decodeChunk(joinItems(items.map(encodeItem)))).toEqual(items);
      }),
      { numRuns: 300 },
    );
  });

  it("are refused where they are not whole or of no known kind", () => {
    fc.assert(
      fc.property(registryItem, fc.nat(), (item, at) => {
        const chunk = encodeItem(item);
        expect(() => decodeChunk(chunk.subarray(0, at % chunk.length || 1))).toThrow();
      }),
      { numRuns: 100 },
    );
    expect(() => decodeChunk(Uint8Array.of(0x91, 9))).toThrow(/unknown kind 9/);
  });
});
