import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { confCodec } from "../../src/wire/conf-codec.ts";
import { packTuple } from "../../src/wire/msgpack.ts";
import { confState } from "./arbitraries.ts";

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");

describe("configurations", () => {
  it("decode to what was encoded, and to the same bytes again", () => {
    fc.assert(
      fc.property(confState, (value) => {
        const bytes = confCodec.encode(value);
        expect(confCodec.decode(bytes)).toEqual(value);
        expect(hex(confCodec.encode(confCodec.decode(bytes)))).toBe(hex(bytes));
      }),
    );
  });

  it("own their bytes", () => {
    const bytes = confCodec.encode({
      voters: ["a"],
      votersOutgoing: [],
      learners: [],
      members: [],
    });
    expect(bytes.buffer.byteLength).toBe(bytes.byteLength);
  });

  it("of another shape stop the node", () => {
    for (const value of [
      [2, ["a"], [], [], ["a", "n", "x"]],
      [1, ["a"], [], []],
      [1, ["a"], [], [], ["a", "n"]],
      [1, ["a"], [], [7], ["a", "n", "x"]],
      [1, "a", [], [], []],
    ]) {
      expect(() => confCodec.decode(packTuple(value))).toThrow();
    }
    const good = packTuple([1, ["a"], [], [], []]);
    expect(() => confCodec.decode(new Uint8Array([...good, ...good]))).toThrow();
  });
});
