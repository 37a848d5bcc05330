import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Register } from "../../src/registry/command.ts";
import { commandCodec } from "../../src/wire/command-codec.ts";
import { command, count } from "./arbitraries.ts";

const { encode, encodeBatch, decodeBatch } = commandCodec;

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");

/** The same value with every object's keys in the opposite order. */
function reversed(value: unknown): unknown {
  if (Array.isArray(value)) {
    return value.map(reversed);
  }
  if (typeof value !== "object" || value === null) {
    return value;
  }
  return Object.fromEntries(
    Object.entries(value)
      .reverse()
      .map(([key, item]) => [key, reversed(item)]),
  );
}

const register: Register = {
  type: "register",
  session: "0123456789abcdef0123456789abcdef",
  seq: 1,
  floor: 1,
  instances: [
    {
      namespace: "default",
      application: "provider_test",
      protocol: "http",
      addr: "127.0.0.1:8080",
      meta: [["idc", "shanghai"]],
      weight: 100,
      version: null,
      location: null,
      status: "up",
      reason: null,
      isPersistent: false,
    },
  ],
};

describe("the bytes of commands", () => {
  it("give back every batch as it was", () => {
    fc.assert(
      fc.property(count, fc.array(command, { maxLength: 5 }), (atMs, commands) => {
        const data = encodeBatch(atMs, commands.map(encode));
        expect(decodeBatch(data)).toEqual({ atMs, commands });
      }),
      { numRuns: 300 },
    );
  });

  it("do not depend on the order in which an object was built", () => {
    fc.assert(
      fc.property(command, (one) => {
        expect(hex(encode(reversed(one) as typeof one))).toBe(hex(encode(one)));
      }),
    );
  });

  it("are the same for a field that is undefined and one that is absent", () => {
    const update = (set: object) =>
      encode({
        type: "update",
        session: "s",
        seq: 1,
        floor: 1,
        key: register.instances[0]!,
        set,
        ifRevision: null,
      });
    expect(update({ weight: 5, version: undefined, meta: undefined })).toEqual(
      update({ weight: 5 }),
    );
    expect(update({ weight: 5, version: null })).not.toEqual(update({ weight: 5 }));
  });

  it("of an entry are in memory of their own, so that it pins and shares nothing", () => {
    const part = encode(register);
    const data = encodeBatch(7, [part]);
    expect(data.buffer.byteLength).toBe(data.length);
    part.fill(0);
    expect(decodeBatch(data).commands).toEqual([register]);
  });

  it("do not keep what is decoded from changing when the entry's memory is used again", () => {
    const data = encodeBatch(7, [encode(register)]);
    const { commands } = decodeBatch(data);
    data.fill(0xff);
    expect(commands).toEqual([register]);
  });

  it("are refused when one is missing, one is left over, or the layout is another", () => {
    const part = encode(register);
    const whole = encodeBatch(7, [part, part]);
    expect(() => decodeBatch(whole.subarray(0, whole.length - part.length))).toThrow(/packed/);
    expect(() => decodeBatch(whole.subarray(0, whole.length - 1))).toThrow();
    expect(() => decodeBatch(new Uint8Array([...whole, ...part]))).toThrow(/packed/);
    const other = new Uint8Array(whole);
    other[1] = 9;
    expect(() => decodeBatch(other)).toThrow(/layout 9/);
    expect(() => decodeBatch(new Uint8Array())).toThrow();
  });

  it("that are random never decode to a half command", () => {
    const valid = encodeBatch(7, [encode(register)]);
    fc.assert(
      fc.property(fc.nat(valid.length - 1), fc.nat(255), (at, byte) => {
        const mutated = new Uint8Array(valid);
        mutated[at] = byte;
        let decoded: ReturnType<typeof decodeBatch>;
        try {
          decoded = decodeBatch(mutated);
        } catch {
          return;
        }
        // What decodes is a command through and through: it encodes again.
        encodeBatch(decoded.atMs, decoded.commands.map(encode));
      }),
      { numRuns: 2000 },
    );
  });
});
