import { readFileSync, writeFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import type { Command } from "../../src/registry/command.ts";
import type { PeerMessage } from "../../src/replica/peer-messages.ts";
import { msgpackCodec } from "../../src/wire/client-codec.ts";
import { commandCodec } from "../../src/wire/command-codec.ts";
import { confCodec } from "../../src/wire/conf-codec.ts";
import { decodePeerFrame, encodePeerFrame } from "../../src/wire/peer-codec.ts";

const file = new URL("golden/bytes.json", import.meta.url);

const session = "0123456789abcdef0123456789abcdef";
const key = {
  namespace: "default",
  application: "provider_test",
  protocol: "http",
  addr: "127.0.0.1:8080",
};

const commands: Record<string, Command> = {
  openSession: {
    type: "openSession",
    session,
    secretHash: "ab".repeat(32),
    ttlMs: 10_000,
    graceMs: 2_000,
    appliedIndex: 70_000,
    client: "sdk 1.0 (node)",
  },
  register: {
    type: "register",
    session,
    seq: 1,
    floor: 1,
    instances: [
      {
        ...key,
        meta: [
          ["cluster", "small"],
          ["idc", "shanghai"],
        ],
        weight: 100,
        version: "1.2.3",
        location: { region: "eu", campus: "c1" },
        status: "draining",
        reason: null,
        isPersistent: false,
      },
    ],
  },
  update: {
    type: "update",
    session,
    seq: 2,
    floor: 1,
    key,
    set: { weight: 0, version: null, status: "down" },
    ifRevision: 2 ** 32 + 7,
  },
  deregister: { type: "deregister", session, seq: 300, floor: 256, keys: [key] },
  closeSession: { type: "closeSession", session, seq: 301, floor: 301 },
  expireSessions: {
    type: "expireSessions",
    term: 9,
    sessions: [
      { session, reason: "ttl" },
      { session, reason: "grace" },
    ],
  },
  reapSession: { type: "reapSession", session },
  raiseStateVersion: { type: "raiseStateVersion", version: 2 },
};

const head = { from: "00000000000000a1", to: "00000000000000b2", term: 7 };
const peerMessages: PeerMessage[] = [
  {
    type: "appendEntries",
    ...head,
    prevLogIndex: 41,
    prevLogTerm: 6,
    commitIndex: 40,
    entries: [{ index: 42, term: 7, kind: "commands", data: Uint8Array.of(1, 2, 3) }],
  },
  { type: "appendEntriesResponse", ...head, success: true, matchIndex: 42 },
  { type: "commit", ...head, commitIndex: 42 },
  { type: "heartbeat", ...head, commitIndex: 42, round: 300 },
  { type: "forward", ...head, commands: [Uint8Array.of(9), Uint8Array.of(8, 7)] },
  {
    type: "report",
    ...head,
    start: 2 ** 50,
    counter: 1,
    sentAtMs: 123_456,
    isUrgent: true,
    touches: [{ session, attach: 1 }],
    breaks: [],
    disk: "low",
  },
];

const confirmation: PeerMessage = {
  type: "reportConfirmed",
  ...head,
  start: 2 ** 50,
  counter: 1,
  sentAtMs: 123_456,
  commitIndex: 42,
  refused: ["f".repeat(32)],
  superseded: [{ session, attach: 2 }],
  intake: "removals",
};
const electionMessages: PeerMessage[] = [
  { type: "preVote", ...head, lastLogIndex: 42, lastLogTerm: 6 },
  { type: "requestVote", ...head, lastLogIndex: 42, lastLogTerm: 6, isTransfer: true },
  { type: "requestVoteResponse", ...head, granted: true },
  { type: "timeoutNow", ...head, lastLogIndex: 42 },
];

const configuration = {
  voters: ["00000000000000a1", "00000000000000b2"],
  votersOutgoing: ["00000000000000a1"],
  learners: ["00000000000000c3"],
  members: [
    { id: "00000000000000a1", name: "n1", address: "" },
    { id: "00000000000000b2", name: "n2", address: "10.0.0.2:7420" },
    { id: "00000000000000c3", name: "n3", address: "10.0.0.3:7420" },
  ],
};
const snapshot = {
  index: 40,
  term: 6,
  conf: configuration,
  nonce: 2 ** 47 + 5,
  chunks: 3,
  bytes: 300_000,
  digest: "feedfacecafebeef",
};
const snapshotMessages: PeerMessage[] = [
  {
    type: "installSnapshot",
    ...head,
    snapshot,
    chain: "0123456789abcdef",
    chunk: 1,
    data: Uint8Array.of(7, 8, 9),
  },
  { type: "installSnapshot", ...head, snapshot, chain: "", chunk: 3, data: new Uint8Array() },
  {
    type: "installSnapshotResponse",
    ...head,
    id: { index: 40, nonce: 2 ** 47 + 5 },
    next: 1,
    received: 2,
  },
];

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");

function current(): Record<string, string> {
  const bytes: Record<string, string> = {};
  for (const [name, command] of Object.entries(commands)) {
    bytes[`command ${name}`] = hex(commandCodec.encode(command));
  }
  const parts = Object.values(commands).map(commandCodec.encode);
  bytes["batch of all commands"] = hex(commandCodec.encodeBatch(1_700_000_000_000, parts));
  bytes["configuration"] = hex(confCodec.encode(configuration));
  bytes["peer frame"] = hex(encodePeerFrame(peerMessages));
  bytes["peer frame of a confirmation"] = hex(encodePeerFrame([confirmation]));
  bytes["peer frame of an election"] = hex(encodePeerFrame(electionMessages));
  bytes["peer frame of a snapshot"] = hex(encodePeerFrame(snapshotMessages));
  const ping = msgpackCodec.encode({ type: "ping", id: 7 }) as Uint8Array;
  bytes["client ping"] = hex(ping);
  bytes["client frame of two"] = hex(msgpackCodec.join([ping, ping]) as Uint8Array);
  return bytes;
}

describe("golden bytes", () => {
  if (process.env["UPDATE_GOLDEN"] === "1") {
    writeFileSync(file, `${JSON.stringify(current(), null, 2)}\n`);
  }
  const golden: Record<string, string> = JSON.parse(readFileSync(file, "utf8"));

  it("are what the codecs write today", () => {
    expect(
      current(),
      "Bytes on disks and wires changed. Entries written by an older version must still decode: " +
        "give the new form a new tag or layout number beside the old one, and only then run this " +
        "test with UPDATE_GOLDEN=1.",
    ).toEqual(golden);
  });

  it("decode to the values that they were made of", () => {
    const data = Buffer.from(golden["batch of all commands"]!, "hex");
    expect(commandCodec.decodeBatch(data)).toEqual({
      atMs: 1_700_000_000_000,
      commands: Object.values(commands),
    });
    expect(decodePeerFrame(Buffer.from(golden["peer frame"]!, "hex"))).toEqual(peerMessages);
    const frame = Buffer.from(golden["peer frame of a confirmation"]!, "hex");
    expect(decodePeerFrame(frame)).toEqual([confirmation]);
    expect(decodePeerFrame(Buffer.from(golden["peer frame of an election"]!, "hex"))).toEqual(
      electionMessages,
    );
    const ofSnapshot = Buffer.from(golden["peer frame of a snapshot"]!, "hex");
    expect(decodePeerFrame(ofSnapshot)).toEqual(snapshotMessages);
    expect(msgpackCodec.decode(Buffer.from(golden["client ping"]!, "hex"))).toEqual({
      type: "ping",
      id: 7,
    });
  });
});
