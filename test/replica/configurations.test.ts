import { expect, test } from "vitest";
import { confOf } from "../../src/raft/conf-state.ts";
import type { Snapshot } from "../../src/raft/types.ts";
import { Registry } from "../../src/registry/registry.ts";
import { Replica } from "../../src/replica/replica.ts";
import { SNAPSHOT_LIMITS } from "../../src/replica/snapshot-taker.ts";
import { commandCodec } from "../../src/wire/command-codec.ts";
import { confCodec } from "../../src/wire/conf-codec.ts";
import { snapshotCodec } from "../../src/wire/snapshot-codec.ts";

test("a configuration passes through the log and changes nothing in the registry", () => {
  const conf = confOf(["n1", "n2"].map((id) => ({ id, name: id, address: "" })));
  const now = { monotonicMs: 0, wallMs: 0 };
  const replica = new Replica(
    {
      id: "n1",
      restored: {
        hardState: { term: 1, vote: null },
        snapshot: { index: 0, term: 0, conf },
        logStart: { index: 0, term: 0 },
        registry: new Registry(),
        entries: [{ index: 1, term: 1, kind: "conf", data: confCodec.encode(conf) }],
        commitIndex: 1,
        lostEnd: null,
      },
      codec: commandCodec,
      snapshotCodec,
      confCodec,
      random: () => 0,
    },
    now,
  );
  const { digest } = replica.status(now);
  replica.step({ type: "tick" }, now);
  expect([...replica.ready(now)].flat().filter(({ type }) => type === "notice")).toEqual([]);
  expect(replica.status(now)).toMatchObject({ lastApplied: 1, revision: 0, digest });
});

test("a snapshot holds the configuration that is committed, not the one that may yet be lost", () => {
  const members = ["n1", "n2", "n3"].map((id) => ({ id, name: id, address: "" }));
  const conf = confOf(members.slice(0, 2));
  const confs = [conf, { ...conf, learners: ["n3"], members }];
  const now = { monotonicMs: 0, wallMs: 0 };
  const replica = new Replica(
    {
      id: "n1",
      restored: {
        hardState: { term: 1, vote: null },
        snapshot: { index: 0, term: 0, conf },
        logStart: { index: 0, term: 0 },
        registry: new Registry(),
        entries: confs.map((of, at) => {
          return { index: at + 1, term: 1, kind: "conf", data: confCodec.encode(of) };
        }),
        commitIndex: 1,
        lostEnd: null,
      },
      codec: commandCodec,
      snapshotCodec,
      confCodec,
      random: () => 0,
      snapshotLimits: { ...SNAPSHOT_LIMITS, logBytesMin: 1 },
      checkpointEntries: 1,
    },
    now,
  );
  const { digest } = replica.status(now);
  const claim = { type: "checkpoint", from: "n2", to: "n1", term: 1, index: 1, digest } as const;
  replica.step({ type: "peerMessage", message: claim }, now);
  const taken: Snapshot[] = [];
  for (let write = 1; taken.length === 0 && write < 10; write++) {
    for (const output of [...replica.ready(now)].flat()) {
      if (output.type !== "persist") continue;
      const { snapshot } = output.request;
      if (snapshot?.type === "switch") taken.push(snapshot.snapshot);
      replica.step({ type: "persisted", write: output.request.write }, now);
    }
  }
  expect(taken.map(({ index, conf: of }) => ({ index, of }))).toEqual([{ index: 1, of: conf }]);
});
