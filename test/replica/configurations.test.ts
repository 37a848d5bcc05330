import { expect, test } from "vitest";
import { confOf } from "../../src/raft/conf-state.ts";
import { Registry } from "../../src/registry/registry.ts";
import { Replica } from "../../src/replica/replica.ts";
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
  expect(replica.ready(now).filter(({ type }) => type === "notice")).toEqual([]);
  expect(replica.status(now)).toMatchObject({ lastApplied: 1, revision: 0, digest });
});
