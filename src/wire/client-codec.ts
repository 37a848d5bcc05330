import { MESSAGES_PER_FRAME_MAX, NESTING_MAX } from "../limits.ts";
import { assert } from "../util/assert.ts";
import { DecodeError } from "./decode-error.ts";
import {
  type ClientMessage,
  type NodeMessage,
  type PlainAnswer,
  type PlainPush,
  type PlainRequest,
  SUBPROTOCOL_JSON,
  SUBPROTOCOL_MSGPACK,
} from "./messages.ts";
import { arrayHeader, joinBytes, packObject, unpackChecked } from "./msgpack.ts";

/** The bytes of one message: text for JSON, bytes for MessagePack. */
export type Part = string | Uint8Array;

/** What goes over a socket: a message, or an array of them. */
export type Frame = string | Uint8Array;

export type AnyMessage = ClientMessage | NodeMessage | PlainRequest | PlainAnswer | PlainPush;

export interface ClientCodec {
  readonly subprotocol: typeof SUBPROTOCOL_JSON | typeof SUBPROTOCOL_MSGPACK;
  /** Fields that are `undefined` are left out. */
  encode(message: AnyMessage): Part;
  /** At least one part, all of this codec. */
  join(parts: readonly Part[]): Frame;
  /**
   * A message or an array of them, of which nothing is known but that it nests no deeper than
   * NESTING_MAX. Throws a DecodeError, and nothing else. `messagesMax`: MESSAGES_PER_FRAME_MAX, the
   * limit of frames to a node; a client sets none.
   */
  decode(frame: Frame, messagesMax?: number): unknown;
}

export const jsonCodec: ClientCodec = {
  subprotocol: SUBPROTOCOL_JSON,

  encode: (message) => JSON.stringify(message),

  join: (parts) => {
    assert(parts.length > 0, "a frame of nothing");
    return parts.length === 1 ? (parts[0] as Part) : `[${parts.join(",")}]`;
  },

  decode: (frame, messagesMax = MESSAGES_PER_FRAME_MAX) => {
    if (typeof frame !== "string") {
      throw new DecodeError("PROTOCOL", "a binary frame on a connection that speaks JSON text");
    }
    if (isTooDeep(frame)) {
      throw new DecodeError(
        "PROTOCOL",
        `the frame nests deeper than ${NESTING_MAX} levels (NESTING_MAX)`,
      );
    }
    return checkCount(parseJson(frame), messagesMax);
  },
};

export const msgpackCodec: ClientCodec = {
  subprotocol: SUBPROTOCOL_MSGPACK,

  encode: (message) => packObject(message),

  join: (parts) => {
    assert(parts.length > 0, "a frame of nothing");
    if (parts.length === 1) {
      return parts[0] as Part;
    }
    return joinBytes([arrayHeader(parts.length), ...(parts as readonly Uint8Array[])]);
  },

  decode: (frame, messagesMax = MESSAGES_PER_FRAME_MAX) => {
    if (typeof frame === "string") {
      throw new DecodeError("PROTOCOL", "a text frame on a connection that speaks MessagePack");
    }
    return checkCount(unpackChecked(frame, { binary: false }), messagesMax);
  },
};

/** In the order in which a node prefers them. */
export const clientCodecs: readonly ClientCodec[] = [msgpackCodec, jsonCodec];

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new DecodeError("PROTOCOL", "the frame is not JSON", { cause });
  }
}

function checkCount(value: unknown, messagesMax: number): unknown {
  if (Array.isArray(value) && value.length > messagesMax) {
    throw new DecodeError(
      "TOO_LARGE",
      `${value.length} messages in a frame; at most ${messagesMax} (MESSAGES_PER_FRAME_MAX)`,
    );
  }
  return value;
}

/**
 * Reads the outline of JSON text before anything is built from it: a megabyte of `[` would hold
 * the parser for 180 ms (measured). Up to the first error in the text it sees what the parser sees.
 */
function isTooDeep(text: string): boolean {
  let depth = 0;
  for (let index = 0; index < text.length; index++) {
    switch (text.charCodeAt(index)) {
      case 0x22:
        index = endOfText(text, index);
        break;
      case 0x5b:
      case 0x7b:
        depth += 1;
        if (depth > NESTING_MAX) {
          return true;
        }
        break;
      case 0x5d:
      case 0x7d:
        depth -= 1;
        break;
    }
  }
  return false;
}

/** Where the quotation mark stands that ends the text begun at `start`. */
function endOfText(text: string, start: number): number {
  for (let end = text.indexOf('"', start + 1); end !== -1; end = text.indexOf('"', end + 1)) {
    let backslashes = 0;
    while (text.charCodeAt(end - 1 - backslashes) === 0x5c) {
      backslashes += 1;
    }
    if (backslashes % 2 === 0) {
      return end;
    }
  }
  return text.length;
}
