// The JavaScript half of the package, without its optional native string extractor: that one
// returns slices of one long string, so that a single kept name pins the text of a whole batch of
// commands in memory, and it reads invalid UTF-8 in its own way, so that two nodes, one with and
// one without the addon, could decode different states from the same entry.
import { Packr } from "msgpackr/pack";
import { DecodeError } from "./decode-error.ts";
import { scanMsgpack } from "./msgpack-scan.ts";

const options = {
  useRecords: false,
  mapsAsObjects: true,
  variableMapSize: true,
  copyBuffers: true,
  int64AsType: "number",
  encodeUndefinedAsNil: true,
  // A meta of {"constructor": "a", "toJSON": "b"} would make it call a text.
  useToJSON: false,
} as const;

const tuples = new Packr(options);

/** For objects: a field that is `undefined` is left out, as JSON does. */
const skipping: typeof options & { readonly skipValues: readonly unknown[] } = {
  ...options,
  skipValues: [undefined],
};
const objects = new Packr(skipping);

/**
 * A value without `undefined` in it. The bytes are never written to again,
 * but they are a part of a larger allocation: copy what lives long.
 */
export function packTuple(value: unknown): Uint8Array {
  return tuples.pack(value);
}

/** A value whose fields may be `undefined`. The bytes: as `packTuple`. */
export function packObject(value: unknown): Uint8Array {
  return objects.pack(value);
}

/** Of bytes that may be anything; throws a DecodeError, and nothing else. */
export function unpackChecked(bytes: Uint8Array, allow: { readonly binary: boolean }): unknown {
  scanMsgpack(bytes, allow);
  try {
    return tuples.unpack(bytes);
  } catch (cause) {
    throw new DecodeError("PROTOCOL", "the frame is not MessagePack", { cause });
  }
}

/** Of bytes that `packTuple` made, one after the other; throws on anything else. */
export function unpackRow(bytes: Uint8Array): unknown[] {
  return tuples.unpackMultiple(bytes);
}

/** `packTuple(array)` without its items: what stands before `count` of them. */
export function arrayHeader(count: number): Uint8Array {
  if (count < 16) {
    return Uint8Array.of(0x90 | count);
  }
  if (count < 0x10000) {
    return Uint8Array.of(0xdc, count >>> 8, count & 0xff);
  }
  return Uint8Array.of(
    0xdd,
    count >>> 24,
    (count >>> 16) & 0xff,
    (count >>> 8) & 0xff,
    count & 0xff,
  );
}

/** The parts after one another, in memory of their own. */
export function concatBytes(parts: readonly Uint8Array[]): Uint8Array {
  return fill(new Uint8Array(lengthOf(parts)), parts);
}

const SLAB_BYTES = 64 * 1024;
let slab = new Uint8Array(SLAB_BYTES);
let slabUsed = 0;

/**
 * As `concatBytes`, for what is soon sent and forgotten: small results share an allocation, which
 * alone takes longer than to fill them. No byte is given out twice.
 */
export function joinBytes(parts: readonly Uint8Array[]): Uint8Array {
  const length = lengthOf(parts);
  if (length > SLAB_BYTES / 16) {
    return fill(new Uint8Array(length), parts);
  }
  if (slabUsed + length > SLAB_BYTES) {
    slab = new Uint8Array(SLAB_BYTES);
    slabUsed = 0;
  }
  const start = slabUsed;
  slabUsed += length;
  return fill(slab.subarray(start, slabUsed), parts);
}

function lengthOf(parts: readonly Uint8Array[]): number {
  let length = 0;
  for (const part of parts) {
    length += part.length;
  }
  return length;
}

function fill(bytes: Uint8Array, parts: readonly Uint8Array[]): Uint8Array {
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}
