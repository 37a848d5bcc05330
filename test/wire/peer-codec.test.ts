import { crc32 } from "node:zlib";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { NESTING_MAX, PEER_FRAME_BYTES_MAX } from "../../src/limits.ts";
import { confOf } from "../../src/raft/conf-state.ts";
import type { PeerMessage } from "../../src/replica/peer-messages.ts";
import { checkPeerAnswer, checkPeerHello } from "../../src/schema/peer-hello.ts";
import { DecodeError } from "../../src/wire/decode-error.ts";
import type { PeerHello } from "../../src/wire/messages.ts";
import {
  decodePeerFrame,
  decodePeerHello,
  encodePeerFrame,
  encodePeerFrames,
  encodePeerHello,
} from "../../src/wire/peer-codec.ts";
import { peerMessage } from "./arbitraries.ts";

/** The frame with its checksum made right again, to test what stands behind the checksum. */
function resealed(frame: Uint8Array): Uint8Array {
  const copy = new Uint8Array(frame);
  new DataView(copy.buffer).setUint32(0, crc32(copy.subarray(4)));
  return copy;
}

const append: PeerMessage = {
  type: "appendEntries",
  from: "00000000000000a1",
  to: "00000000000000b2",
  term: 7,
  prevLogIndex: 41,
  prevLogTerm: 6,
  commitIndex: 41,
  entries: [
    { index: 42, term: 7, kind: "noop", data: new Uint8Array() },
    { index: 43, term: 7, kind: "commands", data: Uint8Array.of(1, 2, 3) },
  ],
};

const hello: PeerHello = {
  type: "peerHello",
  protocol: 1,
  name: "n1",
  incarnation: "00000000000000a1",
  advertise: "127.0.0.1:7420",
  cluster: null,
  memberAsOf: 0,
  view: [
    { name: "n1", incarnation: "00000000000000a1" },
    { name: "n2", incarnation: "" },
  ],
};

function outcome(run: () => unknown): unknown {
  try {
    run();
    return "decoded";
  } catch (error) {
    return error;
  }
}

describe("a frame between nodes", () => {
  it("gives back every list of messages as it was", () => {
    fc.assert(
      fc.property(fc.array(peerMessage, { maxLength: 6 }), (messages) => {
        expect(decodePeerFrame(encodePeerFrame(messages))).toEqual(messages);
      }),
      { numRuns: 500 },
    );
  });

  it("shares no memory with what is decoded from it", () => {
    const frame = encodePeerFrame([append]);
    const messages = decodePeerFrame(frame);
    frame.fill(0xff);
    expect(messages).toEqual([append]);
  });

  it("with any one bit flipped is an error", () => {
    const frame = encodePeerFrame([append, append]);
    for (let bit = 0; bit < frame.length * 8; bit++) {
      const flipped = new Uint8Array(frame);
      flipped[bit >> 3]! ^= 1 << (bit & 7);
      expect(() => decodePeerFrame(flipped)).toThrow(DecodeError);
    }
  });

  it("cut short anywhere is an error", () => {
    const frame = encodePeerFrame([append]);
    for (let length = 0; length < frame.length; length++) {
      expect(() => decodePeerFrame(frame.subarray(0, length))).toThrow(DecodeError);
    }
  });

  it("of random bytes is a DecodeError and nothing else", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        expect(outcome(() => decodePeerFrame(bytes))).toBeInstanceOf(DecodeError);
        expect(outcome(() => decodePeerHello(bytes))).toBeInstanceOf(DecodeError);
      }),
    );
  });

  it("with a right checksum over changed bytes is a whole message or a DecodeError", () => {
    const change = fc.record({ at: fc.nat(), byte: fc.nat(255), cut: fc.nat(3) });
    const changes = fc.array(change, { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(fc.array(peerMessage, { minLength: 1, maxLength: 3 }), changes, (list, made) => {
        let frame = encodePeerFrame(list);
        for (const { at, byte, cut } of made) {
          frame = frame.slice(0, Math.max(8, frame.length - cut));
          frame[4 + (at % (frame.length - 4))] = byte;
        }
        let messages: PeerMessage[];
        try {
          messages = decodePeerFrame(resealed(frame));
        } catch (error) {
          expect(error).toBeInstanceOf(DecodeError);
          return;
        }
        expect(decodePeerFrame(encodePeerFrame(messages))).toEqual(messages);
      }),
      { numRuns: 2000 },
    );
  });

  it("refuses entries whose terms fall or are of a term to come", () => {
    const encoded = (message: PeerMessage) => encodePeerFrame([message]);
    const entry = { index: 42, kind: "noop" as const, data: new Uint8Array() };
    const over = { ...append, entries: [{ ...entry, term: 8 }] };
    const under = { ...append, entries: [{ ...entry, term: 5 }] };
    expect(() => decodePeerFrame(encoded(over))).toThrow(DecodeError);
    expect(() => decodePeerFrame(encoded(under))).toThrow(DecodeError);
  });

  it("refuses a snapshot that none can be, and chunks beyond its last", () => {
    const snapshot = {
      index: 9,
      term: 7,
      conf: confOf([{ id: "00000000000000a1", name: "n1", address: "10.0.0.1:7420" }]),
      nonce: 1,
      chunks: 2,
      bytes: 3,
      digest: "0".repeat(16),
    };
    const { from, to, term } = append;
    const chunk: PeerMessage = {
      type: "installSnapshot",
      from,
      to,
      term,
      snapshot,
      chain: "0".repeat(16),
      chunk: 1,
      data: Uint8Array.of(1),
    };
    const question: PeerMessage = { ...chunk, chunk: 2, chain: "", data: new Uint8Array() };
    expect(decodePeerFrame(encodePeerFrame([chunk, question]))).toEqual([chunk, question]);
    for (const wrong of [
      { ...chunk, chunk: 2 },
      { ...chunk, chunk: 3 },
      { ...question, data: Uint8Array.of(1) },
      { ...question, chunk: 3 },
      { ...chunk, snapshot: { ...snapshot, term: 8 } },
      { ...chunk, snapshot: { ...snapshot, index: 0 } },
      { ...question, chunk: 0, snapshot: { ...snapshot, chunks: 0 } },
      { ...chunk, chain: "0".repeat(65) },
    ]) {
      expect(() => decodePeerFrame(encodePeerFrame([wrong]))).toThrow(DecodeError);
    }
    const answer = { from, to, term, id: { index: 9, nonce: 1 }, next: 2, received: 1 };
    const late: PeerMessage = { type: "installSnapshotResponse", ...answer };
    expect(() => decodePeerFrame(encodePeerFrame([late]))).toThrow(DecodeError);
  });

  it("counts the chunks of snapshots among its bytes", () => {
    const conf = confOf([{ id: "00000000000000a1", name: "n1", address: "" }]);
    const snapshot = { index: 9, term: 7, conf, nonce: 1, chunks: 99, bytes: 3 };
    const messages: PeerMessage[] = Array.from({ length: 20 }, (_, chunk) => ({
      type: "installSnapshot",
      from: append.from,
      to: append.to,
      term: 7,
      snapshot: { ...snapshot, digest: "" },
      chain: "",
      chunk,
      data: new Uint8Array(1_000_000),
    }));
    const sizes = encodePeerFrames(messages).map((frame) => frame.length);
    expect(Math.max(...sizes)).toBeLessThan(PEER_FRAME_BYTES_MAX / 2);
  });

  it("over its limit is refused by its size", () => {
    const huge = new Uint8Array(PEER_FRAME_BYTES_MAX + 1);
    expect(outcome(() => decodePeerFrame(huge))).toMatchObject({ code: "TOO_LARGE" });
  });

  it("carries many messages in several frames, in order, each below the limit", () => {
    const data = new Uint8Array(700_000);
    const messages: PeerMessage[] = Array.from({ length: 20 }, (_, round) => ({
      ...append,
      commitIndex: round,
      entries: [{ index: 42, term: 7, kind: "commands", data }],
    }));
    const frames = encodePeerFrames(messages);
    expect(frames.length).toBeGreaterThan(3);
    expect(Math.max(...frames.map((frame) => frame.length))).toBeLessThan(PEER_FRAME_BYTES_MAX);
    const commits = frames
      .flatMap(decodePeerFrame)
      .map((message) => "commitIndex" in message && message.commitIndex);
    expect(commits).toEqual(messages.map((_, round) => round));
    expect(encodePeerFrames([])).toEqual([]);
  });
});

describe("the hello between nodes", () => {
  it("comes back as it was, and a later field of a newer node is passed over", () => {
    const came = (sent: PeerHello) => checkPeerHello(decodePeerHello(encodePeerHello(sent)));
    expect(came(hello)).toEqual(hello);
    expect(came({ ...hello, learner: true } as PeerHello)).toEqual(hello);
  });

  it("is refused with the field that is wrong", () => {
    const cluster = { clusterId: "0".repeat(32), epoch: 0, members: [] };
    expect(() => checkPeerHello({ ...hello, incarnation: "xyz" })).toThrow(/incarnation must/);
    expect(() => checkPeerHello({ ...hello, view: undefined })).toThrow(/view is required/);
    expect(() => checkPeerHello({ ...hello, advertise: "nowhere" })).toThrow(/advertise must/);
    expect(() => checkPeerHello({ ...hello, cluster })).toThrow(/cluster.members must/);
    expect(() => checkPeerHello(null)).toThrow(/an object/);
  });

  it("is answered by a welcome or a refusal with a code of the table", () => {
    const welcome = { ...hello, type: "peerWelcome" as const };
    const refused = { type: "peerRefused" as const, code: "ALREADY_BOOTSTRAPPED", message: "m" };
    expect(checkPeerAnswer(welcome)).toEqual(welcome);
    expect(checkPeerAnswer(refused)).toEqual(refused);
    expect(() => checkPeerAnswer({ ...refused, code: "NOPE" })).toThrow(/code must/);
    expect(() => checkPeerAnswer(hello)).toThrow(/type must/);
  });

  it("nested deeper than the limit is refused before it is built", () => {
    let deep: unknown = "x";
    for (let level = 0; level <= NESTING_MAX; level++) {
      deep = [deep];
    }
    expect(() => decodePeerHello(encodePeerHello(deep as PeerHello))).toThrow(/deeper/);
  });
});
