import { crc32 } from "node:zlib";
import { PEER_FRAME_BYTES_MAX } from "../limits.ts";
import type { PeerMessage } from "../replica/peer-messages.ts";
import { DecodeError } from "./decode-error.ts";
import type { PeerAnswer, PeerHello } from "./messages.ts";
import { packObject, packTuple, unpackChecked } from "./msgpack.ts";
import { peerTuple, readPeerMessage } from "./peer-tuple.ts";

/**
 * A frame between nodes:
 *
 *     0   u32  CRC-32 of all that follows (big-endian, as the next)
 *     4   u32  length of the outline
 *     8        outline: MessagePack; an array of message tuples, or the map of a hello
 *     8+n      the bytes of entries, commands and chunks, in the order in which the tuples name them
 *
 * TCP's own checksum misses about one broken segment in 65,536, and what passes here is applied.
 */
const HEADER_BYTES = 8;

/** At most this much of entries, commands and chunks shares a frame; one message alone may have more. */
const FRAME_BLOB_BYTES = PEER_FRAME_BYTES_MAX / 4;
const FRAME_MESSAGES = 1024;

export function encodePeerFrame(messages: readonly PeerMessage[]): Uint8Array {
  const blobs: Uint8Array[] = [];
  const put = (blob: Uint8Array): number => {
    blobs.push(blob);
    return blob.length;
  };
  return assemble(packTuple(messages.map((message) => peerTuple(message, put))), blobs);
}

/** The messages in as few frames as stay well below PEER_FRAME_BYTES_MAX, in their order. */
export function encodePeerFrames(messages: readonly PeerMessage[]): Uint8Array[] {
  const frames: Uint8Array[] = [];
  let first = 0;
  let bytes = 0;
  messages.forEach((message, index) => {
    const size = blobBytes(message);
    if (index > first && (bytes + size > FRAME_BLOB_BYTES || index - first === FRAME_MESSAGES)) {
      frames.push(encodePeerFrame(messages.slice(first, index)));
      first = index;
      bytes = 0;
    }
    bytes += size;
  });
  if (first < messages.length) {
    frames.push(encodePeerFrame(messages.slice(first)));
  }
  return frames;
}

/** Throws a DecodeError, and nothing else; what it returns shares no memory with `frame`. */
export function decodePeerFrame(frame: Uint8Array): PeerMessage[] {
  const { outline, blobs } = open(frame);
  const tuples = unpackChecked(outline, { binary: false });
  if (!Array.isArray(tuples)) {
    throw new DecodeError("PROTOCOL", "a peer frame holds no list of messages");
  }
  let at = 0;
  const take = (length: number): Uint8Array => {
    const start = at;
    at += length;
    if (at > blobs.length) {
      throw new DecodeError("PROTOCOL", "a peer frame ends before the bytes that it names");
    }
    return blobs.subarray(start, at);
  };
  const messages = tuples.map((tuple) => readPeerMessage(tuple, take));
  if (at !== blobs.length) {
    throw new DecodeError("PROTOCOL", "a peer frame has bytes that no message names");
  }
  return messages;
}

export function encodePeerHello(hello: PeerHello | PeerAnswer): Uint8Array {
  return assemble(packObject(hello), []);
}

/** An object of which nothing is known yet; throws a DecodeError, and nothing else. */
export function decodePeerHello(frame: Uint8Array): unknown {
  const { outline, blobs } = open(frame);
  if (blobs.length > 0) {
    throw new DecodeError("PROTOCOL", "a hello has bytes behind it");
  }
  return unpackChecked(outline, { binary: false });
}

function assemble(outline: Uint8Array, blobs: readonly Uint8Array[]): Uint8Array {
  let length = HEADER_BYTES + outline.length;
  for (const blob of blobs) {
    length += blob.length;
  }
  const frame = new Uint8Array(length);
  const view = new DataView(frame.buffer);
  view.setUint32(4, outline.length);
  frame.set(outline, HEADER_BYTES);
  let at = HEADER_BYTES + outline.length;
  for (const blob of blobs) {
    frame.set(blob, at);
    at += blob.length;
  }
  view.setUint32(0, crc32(frame.subarray(4)));
  return frame;
}

/**
 * `blobs` is a copy of its own: entries, commands and chunks live on when the socket has long
 * used its buffer for something else.
 */
function open(frame: Uint8Array): { readonly outline: Uint8Array; readonly blobs: Uint8Array } {
  if (frame.length < HEADER_BYTES) {
    throw new DecodeError("PROTOCOL", "a peer frame is cut short");
  }
  if (frame.length > PEER_FRAME_BYTES_MAX) {
    throw new DecodeError(
      "TOO_LARGE",
      `a peer frame of ${frame.length} bytes; at most ${PEER_FRAME_BYTES_MAX} (PEER_FRAME_BYTES_MAX)`,
    );
  }
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
  if (view.getUint32(0) !== crc32(frame.subarray(4))) {
    throw new DecodeError("PROTOCOL", "the checksum of a peer frame does not match its bytes");
  }
  const end = HEADER_BYTES + view.getUint32(4);
  if (end > frame.length) {
    throw new DecodeError("PROTOCOL", "a peer frame ends before its outline");
  }
  return { outline: frame.subarray(HEADER_BYTES, end), blobs: new Uint8Array(frame.subarray(end)) };
}

function blobBytes(message: PeerMessage): number {
  let bytes = 0;
  if (message.type === "appendEntries") {
    for (const entry of message.entries) {
      bytes += entry.data.length;
    }
  } else if (message.type === "forward") {
    for (const command of message.commands) {
      bytes += command.length;
    }
  } else if (message.type === "installSnapshot") {
    bytes += message.data.length;
  }
  return bytes;
}
