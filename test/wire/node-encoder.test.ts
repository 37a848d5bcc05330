import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Instance } from "../../src/registry/instance.ts";
import type { DeltaBody, ReadAnswer, SnapshotBody } from "../../src/replica/inputs.ts";
import { clientCodecs, jsonCodec } from "../../src/wire/client-codec.ts";
import { pairsToMeta, toEndpoint } from "../../src/wire/endpoint.ts";
import type { NodeMessage, PlainPush, SnapshotMessage } from "../../src/wire/messages.ts";
import {
  encodeDelta,
  encodePlainPush,
  encodeReadReply,
  encodeSnapshot,
} from "../../src/wire/node-encoder.ts";
import { count, instance } from "./arbitraries.ts";

const instances = fc.array(instance, { maxLength: 20 });
const ageMs = fc.option(count);
const snapshotBody: fc.Arbitrary<SnapshotBody> = fc.record({
  revision: count,
  instances,
  isReset: fc.boolean(),
  ageMs,
});
const deltaBody: fc.Arbitrary<DeltaBody> = fc.record({
  revision: count,
  put: instances,
  remove: instances,
  collapsed: fc.option(fc.record({ from: count, isLast: fc.boolean() })),
});

/** Written out here once more, from design section 4, so that the test is no mirror of the code. */
function endpointOf(of: Instance): object {
  return {
    namespace: of.namespace,
    application: of.application,
    protocol: of.protocol,
    addr: of.addr,
    meta: Object.fromEntries(of.meta.map(([key, value]) => [key, value])),
    weight: of.weight,
    ...(of.version === null ? {} : { version: of.version }),
    ...(of.location === null ? {} : { location: of.location }),
    status: of.status,
    ...(of.reason === null ? {} : { reason: of.reason }),
    session: of.session,
    createdRevision: of.createdRevision,
    modifiedRevision: of.modifiedRevision,
    createdAtMs: of.createdAtMs,
    modifiedAtMs: of.modifiedAtMs,
  };
}

const one: Instance = {
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
  session: null,
  createdRevision: 1,
  modifiedRevision: 1,
  createdAtMs: 0,
  modifiedAtMs: 0,
};

describe.each(clientCodecs.map((codec) => [codec.subprotocol, codec] as const))(
  "%s",
  (_, codec) => {
    const decoded = (part: string | Uint8Array) => codec.decode(part) as NodeMessage;

    it("puts a snapshot together for any watch", () => {
      fc.assert(
        fc.property(count, snapshotBody, (watch, body) => {
          expect(decoded(encodeSnapshot(codec, watch, body))).toStrictEqual({
            type: "snapshot",
            watch,
            revision: body.revision,
            endpoints: body.instances.map(endpointOf),
            ...(body.isReset ? { reset: true } : {}),
            ...(body.ageMs === null ? {} : { ageMs: body.ageMs }),
          });
        }),
      );
    });

    it("puts a delta together for any watch", () => {
      fc.assert(
        fc.property(count, deltaBody, (watch, body) => {
          const { collapsed } = body;
          expect(decoded(encodeDelta(codec, watch, body))).toStrictEqual({
            type: "delta",
            watch,
            revision: body.revision,
            put: body.put.map(endpointOf),
            remove: body.remove.map(({ namespace, application, protocol, addr }) => {
              return { namespace, application, protocol, addr };
            }),
            ...(collapsed === null
              ? {}
              : { collapsed: { from: collapsed.from, last: collapsed.isLast } }),
          });
        }),
      );
    });

    it("puts the answer of a read together", () => {
      const answers: fc.Arbitrary<ReadAnswer> = fc.record({ instances, revision: count, ageMs });
      fc.assert(
        fc.property(count, answers, (id, answer) => {
          expect(decoded(encodeReadReply(codec, id, answer))).toStrictEqual({
            type: "reply",
            id,
            ok: true,
            revision: answer.revision,
            ...(answer.ageMs === null ? {} : { ageMs: answer.ageMs }),
            endpoints: answer.instances.map(endpointOf),
          });
        }),
      );
    });

    it("encodes a body once: the second watch sees the first one's bytes", () => {
      const body: DeltaBody = { revision: 5, put: [one], remove: [], collapsed: null };
      const first = encodeDelta(codec, 1, body);
      // A body never changes; one that does shows whether its bytes were made again.
      (body as { revision: number }).revision = 6;
      expect(encodeDelta(codec, 1, body)).toStrictEqual(first);
      expect(decoded(encodeDelta(codec, 70_000, body))).toStrictEqual({
        ...decoded(first),
        watch: 70_000,
      });
    });

    it("encodes an instance once, whatever it is sent in", () => {
      const of = { ...one };
      const before = decoded(
        encodeSnapshot(codec, 1, { revision: 1, instances: [of], isReset: false, ageMs: 0 }),
      );
      (of as { weight: number }).weight = 7;
      const reply = decoded(encodeReadReply(codec, 1, { revision: 1, instances: [of], ageMs: 0 }));
      expect(reply).toMatchObject({ endpoints: (before as SnapshotMessage).endpoints });
    });

    it("gives parts that a later encoding does not write to", () => {
      const body = { revision: 1, instances: [one], isReset: false, ageMs: null };
      const part = encodeSnapshot(codec, 3, body);
      const copy = typeof part === "string" ? part : new Uint8Array(part);
      for (let index = 0; index < 1000; index++) {
        codec.encode({ type: "mark", revision: index });
        encodeSnapshot(codec, index, { ...body, revision: index });
      }
      expect(part).toEqual(copy);
    });
  },
);

describe("a plain push", () => {
  const push = (version: string, watch: number, body: SnapshotBody) =>
    jsonCodec.decode(encodePlainPush(version, watch, body)) as PlainPush;

  it("has a version, the place in the list, and only instances that are up", () => {
    const body: SnapshotBody = {
      revision: 9,
      instances: [one, { ...one, status: "down" }, { ...one, status: "draining" }],
      isReset: false,
      ageMs: 12,
    };
    expect(push("abc.1:9", 2, body)).toStrictEqual({
      version: "abc.1:9",
      watch: 2,
      endpoints: [endpointOf(one)],
    });
    expect(push("abc.1:9", 0, body).watch).toBe(0);
  });

  it("of an empty list is a push", () => {
    const body: SnapshotBody = { revision: 9, instances: [], isReset: false, ageMs: 0 };
    expect(push("v", 0, body)).toStrictEqual({ version: "v", watch: 0, endpoints: [] });
  });

  it("says so where nobody can tell how old it is", () => {
    const body: SnapshotBody = { revision: 9, instances: [], isReset: false, ageMs: null };
    expect(push("v", 0, body)).toStrictEqual({
      ...{ version: "v", watch: 0, endpoints: [] },
      ageUnknown: true,
    });
  });
});

describe("meta", () => {
  it("of an endpoint is the meta of its instance, keys like methods included", () => {
    const meta = [
      ["0", "zero"],
      ["constructor", "c"],
      ["toString", "s"],
    ] as const;
    expect(pairsToMeta(meta)).toStrictEqual({ "0": "zero", constructor: "c", toString: "s" });
    expect(toEndpoint({ ...one, meta })).toStrictEqual(endpointOf({ ...one, meta }));
  });
});
