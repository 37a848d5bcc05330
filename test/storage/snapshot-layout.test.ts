import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { ConfState, Snapshot } from "../../src/raft/types.ts";
import {
  CHUNK_KEYS,
  chunkKey,
  chunkOfKey,
  chunkRange,
  decodeChunk,
  decodePointer,
  encodeChunk,
  encodePointer,
  POINTER_KEY,
  type Pointer,
} from "../../src/storage/snapshot-layout.ts";
import { snapshotAt } from "./fixture.ts";

const id = fc.record({ index: fc.maxSafeNat(), nonce: fc.nat({ max: 2 ** 48 - 1 }) });
const chunk = fc.nat({ max: 2 ** 32 - 2 });

const pointer: Pointer = {
  snapshot: snapshotAt(12, 3, 99),
  chain: "00112233445566ff",
  logStart: { index: 9, term: 2, chain: "f0e1d2c3b4a59687" },
};

function bytesOf(operation: ReturnType<typeof encodeChunk>): Uint8Array {
  if (operation.type !== "put") throw new Error("not a put");
  return operation.value;
}

describe("the key of a chunk", () => {
  it("sorts by index, nonce and chunk, between the bounds of the chunks", () => {
    const order = (a: readonly number[], b: readonly number[]): number => {
      const at = a.findIndex((number, position) => number !== b[position]);
      return at === -1 ? 0 : Math.sign(a[at]! - b[at]!);
    };
    fc.assert(
      fc.property(id, chunk, id, chunk, (a, chunkA, b, chunkB) => {
        const [keyA, keyB] = [chunkKey(a, chunkA), chunkKey(b, chunkB)];
        const expected = order([a.index, a.nonce, chunkA], [b.index, b.nonce, chunkB]);
        expect(Math.sign(Buffer.compare(keyA, keyB))).toBe(expected);
        expect(Buffer.compare(CHUNK_KEYS.from, keyA)).toBe(-1);
        expect(Buffer.compare(keyA, CHUNK_KEYS.to)).toBe(-1);
        expect(Buffer.compare(keyA, chunkRange(a).to)).toBe(-1);
        expect(chunkOfKey(keyA)).toEqual({ id: a, chunk: chunkA });
      }),
    );
  });

  it("is not found in a key of another form", () => {
    expect(chunkOfKey(Buffer.from("s"))).toBeNull();
    expect(chunkOfKey(Buffer.concat([chunkKey({ index: 1, nonce: 1 }, 1), Buffer.alloc(1)]))).toBe(
      null,
    );
    expect(chunkOfKey(chunkKey({ index: 1, nonce: 1 }, 2 ** 32 - 1))).toBeNull();
    const other = chunkKey({ index: 1, nonce: 1 }, 1);
    other[0] = 0x65;
    expect(chunkOfKey(other)).toBeNull();
  });
});

describe("a chunk", () => {
  const own = { index: 12, nonce: 99 };

  it("gives back what went in", () => {
    fc.assert(
      fc.property(id, chunk, fc.uint8Array({ maxLength: 300 }), (of, number, data) => {
        const operation = encodeChunk(of, number, data);
        expect(operation.key).toEqual(chunkKey(of, number));
        expect(decodeChunk(operation.key, bytesOf(operation))).toEqual(data);
      }),
    );
  });

  it("is refused with any bit of key or value flipped, and at any other length", () => {
    const operation = encodeChunk(own, 3, new TextEncoder().encode("some data"));
    const [key, value] = [operation.key, bytesOf(operation)];
    for (let bit = 0; bit < (key.length + value.length) * 8; bit += 1) {
      const both = Buffer.concat([key, value]);
      both[bit >> 3]! ^= 1 << (bit & 7);
      expect(decodeChunk(both.subarray(0, key.length), both.subarray(key.length))).toBeNull();
    }
    for (let length = 0; length < value.length; length += 1) {
      expect(decodeChunk(key, value.subarray(0, length))).toBeNull();
    }
    expect(decodeChunk(key, Buffer.concat([value, Buffer.alloc(1)]))).toBeNull();
  });

  it("is refused in the place of another chunk, and of another snapshot's", () => {
    const value = bytesOf(encodeChunk(own, 3, new Uint8Array(100)));
    expect(decodeChunk(chunkKey(own, 4), value)).toBeNull();
    expect(decodeChunk(chunkKey({ ...own, nonce: 98 }, 3), value)).toBeNull();
  });
});

describe("the pointer", () => {
  const bytes = bytesOf(encodePointer(pointer));

  it("gives back what went in, a joint configuration as well", () => {
    expect(decodePointer(bytes)).toEqual(pointer);
    const conf: ConfState = {
      voters: ["a", "b"],
      votersOutgoing: ["b", "c"],
      learners: ["d"],
      members: ["a", "b", "c", "d"].map((id) => ({ id, name: `n${id}`, address: `${id}:1` })),
    };
    const snapshot: Snapshot = { ...pointer.snapshot, conf };
    expect(decodePointer(bytesOf(encodePointer({ ...pointer, snapshot })))?.snapshot.conf).toEqual(
      conf,
    );
  });

  it("is refused with any bit flipped, and at any shorter length", () => {
    for (let bit = 0; bit < bytes.length * 8; bit += 1) {
      const flipped = Buffer.from(bytes);
      flipped[bit >> 3]! ^= 1 << (bit & 7);
      expect(decodePointer(flipped)).toBeNull();
    }
    for (let length = 0; length < bytes.length; length += 1) {
      expect(decodePointer(bytes.subarray(0, length))).toBeNull();
    }
  });

  it("is refused when the log would start behind the snapshot", () => {
    const logStart = { ...pointer.logStart, index: 13 };
    expect(decodePointer(bytesOf(encodePointer({ ...pointer, logStart })))).toBeNull();
  });

  it("and a chunk are on disk in the form of format 1", () => {
    expect(POINTER_KEY.toString()).toBe("p");
    expect(Buffer.from(bytes).toString()).toMatchInlineSnapshot(`
      "4bbfc4cf {"snapshot":{"index":12,"nonce":99,"term":3,"conf":{"voters":["a","b"],"votersOutgoing":[],"learners":[],"members":[{"id":"a","name":"na","address":""},{"id":"b","name":"nb","address":""}]},"chunks":5,"bytes":50,"digest":"0123456789abcdef"},"chain":"00112233445566ff","logStart":{"index":9,"term":2,"chain":"f0e1d2c3b4a59687"}}
      "
    `);
    const operation = encodeChunk({ index: 258, nonce: 2 ** 40 + 7 }, 3, Buffer.from("data"));
    expect(Buffer.from(operation.key).toString("hex")).toMatchInlineSnapshot(
      `"730000000000000102000001000000000700000003"`,
    );
    expect(Buffer.from(bytesOf(operation)).toString("hex")).toMatchInlineSnapshot(
      `"8621b6a164617461"`,
    );
  });
});
