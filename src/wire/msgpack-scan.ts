import { NESTING_MAX } from "../limits.ts";
import { DecodeError } from "./decode-error.ts";

/**
 * Reads the outline of MessagePack bytes before anything is built from them: one value that fills
 * the bytes exactly, lengths within what is there, maps keyed by strings, no deeper than
 * NESTING_MAX, and only types of JSON (no extensions, which the library would turn into regular
 * expressions, dates, errors and compiled readers; no binary unless allowed).
 */
export function scanMsgpack(bytes: Uint8Array, options: { readonly binary: boolean }): void {
  const end = scanValue(bytes, 0, 0, options.binary);
  if (end !== bytes.length) {
    throw new DecodeError("PROTOCOL", `${bytes.length - end} bytes follow the MessagePack value`);
  }
}

function truncated(): DecodeError {
  return new DecodeError("PROTOCOL", "the MessagePack value is cut short");
}

function unsigned(bytes: Uint8Array, at: number, width: number): number {
  if (at + width > bytes.length) {
    throw truncated();
  }
  let value = 0;
  for (let index = at; index < at + width; index++) {
    value = value * 256 + (bytes[index] as number);
  }
  return value;
}

function skip(bytes: Uint8Array, at: number, length: number): number {
  const end = at + length;
  if (end > bytes.length) {
    throw truncated();
  }
  return end;
}

/** Returns where the value ends. */
function scanValue(bytes: Uint8Array, at: number, depth: number, binary: boolean): number {
  const token = bytes[at];
  if (token === undefined) {
    throw truncated();
  }
  const next = at + 1;
  if (token < 0x80 || token >= 0xe0) {
    return next;
  }
  if (token < 0x90) {
    return scanItems(bytes, next, token & 0x0f, true, depth, binary);
  }
  if (token < 0xa0) {
    return scanItems(bytes, next, token & 0x0f, false, depth, binary);
  }
  if (token < 0xc0) {
    return skip(bytes, next, token & 0x1f);
  }
  switch (token) {
    case 0xc0:
    case 0xc2:
    case 0xc3:
      return next;
    case 0xc4:
    case 0xc5:
    case 0xc6: {
      if (!binary) {
        throw new DecodeError("PROTOCOL", "binary values have no place in this frame");
      }
      const width = 1 << (token - 0xc4);
      return skip(bytes, next + width, unsigned(bytes, next, width));
    }
    case 0xca:
    case 0xce:
    case 0xd2:
      return skip(bytes, next, 4);
    case 0xcb:
    case 0xcf:
    case 0xd3:
      return skip(bytes, next, 8);
    case 0xcc:
    case 0xd0:
      return skip(bytes, next, 1);
    case 0xcd:
    case 0xd1:
      return skip(bytes, next, 2);
    case 0xd9:
    case 0xda:
    case 0xdb: {
      const width = 1 << (token - 0xd9);
      return skip(bytes, next + width, unsigned(bytes, next, width));
    }
    case 0xdc:
    case 0xdd: {
      const width = token === 0xdc ? 2 : 4;
      return scanItems(bytes, next + width, unsigned(bytes, next, width), false, depth, binary);
    }
    case 0xde:
    case 0xdf: {
      const width = token === 0xde ? 2 : 4;
      return scanItems(bytes, next + width, unsigned(bytes, next, width), true, depth, binary);
    }
    default:
      throw new DecodeError(
        "PROTOCOL",
        `MessagePack type 0x${token.toString(16)} is not used here: extensions are refused`,
      );
  }
}

function scanItems(
  bytes: Uint8Array,
  start: number,
  count: number,
  isMap: boolean,
  depth: number,
  binary: boolean,
): number {
  if (depth >= NESTING_MAX) {
    throw new DecodeError(
      "PROTOCOL",
      `the frame nests deeper than ${NESTING_MAX} levels (NESTING_MAX)`,
    );
  }
  let at = start;
  for (let item = 0; item < count; item++) {
    if (isMap) {
      const token = bytes[at];
      if (token === undefined || !(token >> 5 === 0b101 || (token >= 0xd9 && token <= 0xdb))) {
        throw token === undefined
          ? truncated()
          : new DecodeError("PROTOCOL", "a MessagePack map has a key that is no string");
      }
      const afterKey = scanValue(bytes, at, depth, binary);
      if (isProtoKey(bytes, at, token, afterKey)) {
        throw new DecodeError("PROTOCOL", 'the key "__proto__" is refused');
      }
      at = afterKey;
    }
    at = scanValue(bytes, at, depth + 1, binary);
  }
  return at;
}

const PROTO = [..."__proto__"].map((character) => character.charCodeAt(0));

/**
 * Whether the key at `at` is `__proto__`. The library would rename it, so that what was sent and
 * what is stored would silently differ.
 */
function isProtoKey(bytes: Uint8Array, at: number, token: number, end: number): boolean {
  const start = token < 0xc0 ? at + 1 : at + 1 + (1 << (token - 0xd9));
  if (end - start !== PROTO.length || bytes[start] !== PROTO[0]) {
    return false;
  }
  return PROTO.every((code, offset) => bytes[start + offset] === code);
}
