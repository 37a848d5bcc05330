import fc from "fast-check";
import { pack } from "msgpackr/pack";
import { describe, expect, it } from "vitest";
import { MESSAGES_PER_FRAME_MAX, NESTING_MAX } from "../../src/limits.ts";
import { checkClientMessage } from "../../src/schema/client-message.ts";
import {
  type ClientCodec,
  clientCodecs,
  jsonCodec,
  msgpackCodec,
} from "../../src/wire/client-codec.ts";
import { DecodeError } from "../../src/wire/decode-error.ts";
import type { ClientMessage, NodeMessage } from "../../src/wire/messages.ts";
import { clientMessage } from "../schema/arbitraries.ts";

const mark: NodeMessage = { type: "mark", revision: 2 ** 40 };

function refused(codec: ClientCodec, frame: string | Uint8Array): unknown {
  try {
    codec.decode(frame);
  } catch (error) {
    return error;
  }
  return "decoded";
}

function nested(depth: number): unknown {
  return depth === 0 ? 1 : { a: nested(depth - 1) };
}

describe.each(clientCodecs.map((codec) => [codec.subprotocol, codec] as const))(
  "%s",
  (_, codec) => {
    it("gives back every message as it was", () => {
      fc.assert(
        fc.property(clientMessage, (message) => {
          expect(codec.decode(codec.join([codec.encode(message)]))).toEqual(message);
        }),
        { numRuns: 500 },
      );
    });

    it("joins messages to one frame that is an array, and one message to itself", () => {
      const parts = [codec.encode(mark), codec.encode({ type: "ack", revision: 3 })];
      expect(codec.decode(codec.join(parts))).toEqual([mark, { type: "ack", revision: 3 }]);
      expect(codec.decode(codec.join([parts[0]!]))).toEqual(mark);
      const many = Array.from({ length: 300 }, () => parts[0]!);
      expect(codec.decode(codec.join(many))).toEqual(many.map(() => mark));
    });

    it("leaves out fields that are undefined", () => {
      const message = { type: "ping", id: 1, token: undefined } as unknown as ClientMessage;
      expect(codec.decode(codec.encode(message))).toStrictEqual({ type: "ping", id: 1 });
    });

    it("takes meta keys that are names of methods for the texts they are", () => {
      const meta = { constructor: "a", toJSON: "b", hasOwnProperty: "c", length: "d", "0": "e" };
      const message = { type: "get", id: 1, selector: { application: "x", meta } } as const;
      const decoded = codec.decode(codec.encode(message as unknown as ClientMessage));
      expect(decoded).toStrictEqual(message);
      expect(checkClientMessage(decoded).ok).toBe(true);
    });

    it(`refuses a frame deeper than ${NESTING_MAX} levels and takes one that deep`, () => {
      const encode = (value: unknown) => codec.encode(value as ClientMessage);
      expect(codec.decode(encode(nested(NESTING_MAX)))).toEqual(nested(NESTING_MAX));
      expect(refused(codec, encode(nested(NESTING_MAX + 1)))).toMatchObject({ code: "PROTOCOL" });
    });

    it(`refuses more than ${MESSAGES_PER_FRAME_MAX} messages unless it is told of another limit`, () => {
      const parts = Array.from({ length: MESSAGES_PER_FRAME_MAX + 1 }, () => codec.encode(mark));
      expect(refused(codec, codec.join(parts))).toMatchObject({ code: "TOO_LARGE" });
      expect(codec.decode(codec.join(parts), Number.POSITIVE_INFINITY)).toHaveLength(parts.length);
      expect(codec.decode(codec.join(parts.slice(1)))).toHaveLength(MESSAGES_PER_FRAME_MAX);
    });

    it("refuses the other kind of frame", () => {
      const other = codec === jsonCodec ? msgpackCodec.encode(mark) : jsonCodec.encode(mark);
      expect(refused(codec, other)).toMatchObject({ code: "PROTOCOL" });
    });

    it("leaves the prototypes of objects alone, whatever the keys", () => {
      const hostile = '{"__proto__":{"isAdmin":true},"constructor":{"prototype":{"isAdmin":true}}}';
      try {
        codec.decode(codec === jsonCodec ? hostile : pack(JSON.parse(hostile)));
      } catch (error) {
        expect(error).toBeInstanceOf(DecodeError);
      }
      expect(({} as { isAdmin?: boolean }).isAdmin).toBeUndefined();
    });
  },
);

describe("hostile frames", () => {
  it("of random text are a DecodeError and nothing else", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), (frame) => {
        const result = refused(jsonCodec, frame);
        expect(result === "decoded" || result instanceof DecodeError).toBe(true);
      }),
    );
  });

  it("of random or changed bytes are a DecodeError and nothing else", () => {
    const changed = fc.tuple(clientMessage, fc.nat(), fc.nat(255)).map(([message, at, byte]) => {
      const frame = new Uint8Array(msgpackCodec.encode(message) as Uint8Array);
      frame[at % frame.length] = byte;
      return frame;
    });
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 300 }), changed), (frame) => {
        const result = refused(msgpackCodec, frame);
        expect(result === "decoded" || result instanceof DecodeError).toBe(true);
      }),
      { numRuns: 3000 },
    );
  });

  it.each([
    ["a megabyte of opened arrays", new Uint8Array(1 << 20).fill(0x91)],
    [
      "arrays that each claim thirty million items",
      new Uint8Array(5000).fill(0xdd).map((b, i) => (i % 5 === 0 ? b : 0x01)),
    ],
    ["a text that claims four gigabytes", Uint8Array.of(0xdb, 0xff, 0xff, 0xff, 0xff, 1)],
    ["a map that claims four billion pairs", Uint8Array.of(0xdf, 0xff, 0xff, 0xff, 0xff, 1)],
    ["a record definition", Uint8Array.of(0xd4, 0x72, 0x40, 0x91, 0xa1, 0x61, 1)],
    ["a regular expression", Uint8Array.of(0xd4, 0x78, 0, 0x92, 0xa1, 0x61, 0xa0)],
    ["a date", new Uint8Array(pack(new Date(0)))],
    ["an undefined", Uint8Array.of(0xd4, 0, 0)],
    ["binary", Uint8Array.of(0xc4, 1, 7)],
    ["the type that is never used", Uint8Array.of(0xc1)],
    ["a map with a number for a key", Uint8Array.of(0x81, 1, 1)],
    ["a key __proto__", new Uint8Array(pack(JSON.parse('{"__proto__":1}')))],
    ["two values", Uint8Array.of(1, 1)],
    ["nothing", new Uint8Array()],
  ])("with %s are refused within 100 ms", (_, frame) => {
    const startedMs = performance.now();
    expect(refused(msgpackCodec, frame)).toBeInstanceOf(DecodeError);
    expect(performance.now() - startedMs).toBeLessThan(100);
  });

  it.each([
    ["a megabyte of opened arrays", "[".repeat(1 << 20)],
    ["half a megabyte of nested arrays", "[".repeat(1 << 18) + "]".repeat(1 << 18)],
    ["half a megabyte of nested objects", '{"a":'.repeat(1 << 16)],
    ["nothing", ""],
    ["a text that never ends", `["${"\\\\".repeat(1 << 19)}`],
    ["half a message", '{"type":"ping","id":'],
  ])("of JSON with %s are refused within 100 ms", (_, frame) => {
    const startedMs = performance.now();
    expect(refused(jsonCodec, frame)).toBeInstanceOf(DecodeError);
    expect(performance.now() - startedMs).toBeLessThan(100);
  });

  it("count no brackets that stand in texts", () => {
    const text = '[[[[[[[[[[[[[[[[[[["\\"[[';
    const message = { type: "get", id: 1, selector: { application: text } } as const;
    expect(jsonCodec.decode(jsonCodec.encode(message))).toEqual(message);
  });

  it("hold numbers of 64 bits to the integers that JavaScript has", () => {
    const ping = (bytes: number[]) =>
      msgpackCodec.decode(
        Uint8Array.of(
          0x82,
          0xa4,
          ...Buffer.from("type"),
          0xa4,
          ...Buffer.from("ping"),
          0xa2,
          ...Buffer.from("id"),
          ...bytes,
        ),
      );
    expect(checkClientMessage(ping([0xcf, 0, 0, 0, 1, 0, 0, 0, 5])).ok).toBe(true);
    expect(checkClientMessage(ping([0xcb, 0x41, 0xf0, 0, 0, 0, 0, 0, 0])).ok).toBe(true);
    expect(checkClientMessage(ping([0xcf, 0, 0x20, 0, 0, 0, 0, 0, 1])).ok).toBe(false);
    expect(checkClientMessage(ping([0xcb, 0x7f, 0xf8, 0, 0, 0, 0, 0, 0])).ok).toBe(false);
  });
});
