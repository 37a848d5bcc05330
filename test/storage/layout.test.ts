import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Entry } from "../../src/raft/types.ts";
import {
  decodeEntry,
  decodeFormat,
  ENTRY_KEYS,
  encodeEntry,
  encodeFormat,
  entryKey,
  indexOfKey,
  LOG_START,
} from "../../src/storage/layout.ts";
import { seal, unseal } from "../../src/storage/sealed.ts";
import { entry } from "./fixture.ts";

const integer = fc.oneof(fc.nat(300), fc.maxSafeNat());
const chain = fc
  .bigInt({ min: 0n, max: 2n ** 64n - 1n })
  .map((n) => n.toString(16).padStart(16, "0"));
const anyEntry: fc.Arbitrary<Entry> = fc.record({
  index: integer,
  term: integer,
  kind: fc.constantFrom("noop", "commands", "conf"),
  data: fc.uint8Array({ maxLength: 200 }),
});

describe("the key of an entry", () => {
  it("sorts as its index does, between the bounds of the entries", () => {
    fc.assert(
      fc.property(integer, integer, (a, b) => {
        expect(Math.sign(Buffer.compare(entryKey(a), entryKey(b)))).toBe(Math.sign(a - b));
        expect(Buffer.compare(ENTRY_KEYS.from, entryKey(a))).toBe(-1);
        expect(Buffer.compare(entryKey(a), ENTRY_KEYS.to)).toBe(-1);
        expect(indexOfKey(entryKey(a))).toBe(a);
      }),
    );
  });

  it("is not found in a key of another form", () => {
    expect(indexOfKey(Buffer.from("m/format"))).toBeNull();
    expect(indexOfKey(Buffer.from("e"))).toBeNull();
    expect(indexOfKey(Buffer.concat([entryKey(1), Buffer.alloc(1)]))).toBeNull();
  });
});

describe("the value of an entry", () => {
  it("gives back what went in", () => {
    fc.assert(
      fc.property(anyEntry, chain, integer, (original, previous, commitIndex) => {
        const { key, value, position } = encodeEntry(original, previous, commitIndex);
        const decoded = decodeEntry(key, value);
        expect(decoded).toEqual({ entry: original, position, previous, commitIndex });
      }),
    );
  });

  it("is refused with any bit of key or value flipped, and at any other length", () => {
    const { key, value } = encodeEntry(entry(7, 3, "data"), LOG_START.chain, 5);
    for (let bit = 0; bit < (key.length + value.length) * 8; bit += 1) {
      const both = Buffer.concat([key, value]);
      both[bit >> 3]! ^= 1 << (bit & 7);
      expect(decodeEntry(both.subarray(0, key.length), both.subarray(key.length))).toBeNull();
    }
    for (let length = 0; length < value.length; length += 1) {
      expect(decodeEntry(key, value.subarray(0, length))).toBeNull();
    }
    expect(decodeEntry(key, Buffer.concat([value, Buffer.alloc(1)]))).toBeNull();
  });

  it("is refused under the key of another entry", () => {
    const { value } = encodeEntry(entry(7, 3), LOG_START.chain, 5);
    expect(decodeEntry(entryKey(8), value)).toBeNull();
  });

  it("carries the data as it is, at the end", () => {
    const data = new Uint8Array(256 * 1024).map((_, at) => at % 251);
    const { value } = encodeEntry({ ...entry(1, 1), data }, LOG_START.chain, 0);
    expect(Buffer.compare(value.subarray(value.length - data.length), data)).toBe(0);
  });

  it("is on disk in the form of format 1", () => {
    const { key, value } = encodeEntry(entry(258, 3, "data"), "00112233445566ff", 257);
    expect(key.toString("hex")).toBe("650000000000000102");
    expect(value.toString("hex")).toMatchInlineSnapshot(
      `"7d1d1c490000000000000101dfc4456a8cffbfc300112233445566ff00000000000001020000000000000003000000000000000164617461"`,
    );
  });
});

describe("the chain checksum", () => {
  it("depends on everything of an entry and on the one before, but not on the commit index", () => {
    const base = { previous: "0".repeat(16), commitIndex: 4, entry: entry(5, 2) };
    const chainOf = (change: Partial<typeof base>): string => {
      const { entry: subject, previous, commitIndex } = { ...base, ...change };
      return encodeEntry(subject, previous, commitIndex).position.chain;
    };
    const variants = [
      { previous: `${"0".repeat(15)}1` },
      { entry: entry(6, 2, "entry 5 of 2") },
      { entry: entry(5, 3, "entry 5 of 2") },
      { entry: { ...entry(5, 2), kind: "noop" as const } },
      { entry: entry(5, 2, "other") },
    ].map(chainOf);
    expect(new Set([chainOf({}), ...variants]).size).toBe(variants.length + 1);
    expect(chainOf({ commitIndex: 3 })).toBe(chainOf({}));
  });
});

describe("a sealed record", () => {
  it("gives back what went in, with anything behind its line", () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.oneof(fc.string(), fc.nat())), (record) => {
        const sealed = seal("vote", record);
        expect(unseal("vote", sealed)).toEqual(JSON.parse(JSON.stringify(record)));
        expect(unseal("vote", Buffer.concat([sealed, Buffer.from("garbage")]))).not.toBeNull();
      }),
    );
  });

  it("is null with any bit flipped, cut short, or under another name", () => {
    const sealed = seal("vote", { term: 12, vote: "a" });
    for (let bit = 0; bit < sealed.length * 8; bit += 1) {
      const flipped = Buffer.from(sealed);
      flipped[bit >> 3]! ^= 1 << (bit & 7);
      expect(unseal("vote", flipped)).toBeNull();
    }
    for (let length = 0; length < sealed.length; length += 1) {
      expect(unseal("vote", sealed.subarray(0, length))).toBeNull();
    }
    expect(unseal("mark", sealed)).toBeNull();
  });

  it("says whose a database is, or nothing", () => {
    const format = { formatVersion: 1, incarnation: "0123456789abcdef" };
    expect(decodeFormat(encodeFormat(format))).toEqual(format);
    expect(decodeFormat(seal("m/format", { formatVersion: "1" }))).toBeNull();
  });
});
