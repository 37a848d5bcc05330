import type { Instance } from "../registry/instance.ts";
import type { DeltaBody, ReadAnswer, SnapshotBody } from "../replica/inputs.ts";
import { assert, must } from "../util/assert.ts";
import { type ClientCodec, jsonCodec, msgpackCodec, type Part } from "./client-codec.ts";
import { isUsable, toEndpoint, toKeyBody } from "./endpoint.ts";
import { arrayHeader, concatBytes, joinBytes, packTuple } from "./msgpack.ts";

/** `{"type":"snapshot","watch":N,…}`. The body's bytes are made once for all who receive it. */
export function encodeSnapshot(codec: ClientCodec, watch: number, body: SnapshotBody): Part {
  const parts = partsOf(codec);
  const tail = remembered(parts.snapshots, body, () => snapshotTail(parts, body));
  return parts.message({ type: "snapshot", watch }, tail);
}

/** `{"type":"delta","watch":N,…}`. The body's bytes are made once for all who receive it. */
export function encodeDelta(codec: ClientCodec, watch: number, body: DeltaBody): Part {
  const parts = partsOf(codec);
  const tail = remembered(parts.deltas, body, () => deltaTail(parts, body));
  return parts.message({ type: "delta", watch }, tail);
}

/** `{"type":"reply","id":N,"ok":true,…}` of a read, from the bytes of its instances. */
export function encodeReadReply(codec: ClientCodec, id: number, answer: ReadAnswer): Part {
  const parts = partsOf(codec);
  const { revision, ageMs } = answer;
  const head = { type: "reply", id, ok: true, revision };
  return parts.message(ageMs === null ? head : { ...head, ageMs }, {
    fields: 1,
    parts: [parts.name("endpoints"), ...endpointList(parts, answer.instances)],
  });
}

/**
 * `{"version":V,"watch":N,"endpoints":[…]}` for a plain connection, which speaks JSON and is given
 * usable instances only. `watch` is the place in the list of `subscribes`. A list of unknown age
 * says so.
 */
export function encodePlainPush(version: string, watch: number, body: SnapshotBody): string {
  const tail = remembered(plainTails, body, () => {
    const list = endpointList(jsonParts, body.instances.filter(isUsable));
    return jsonParts.tail(1, [jsonParts.name("endpoints"), ...list]);
  });
  const label = body.ageMs === null ? { ageUnknown: true } : {};
  return jsonParts.message({ version, watch, ...label }, tail);
}

/** The fields that end an object, and how many they are. */
interface Tail<P extends Part> {
  readonly fields: number;
  readonly parts: readonly P[];
}

/** How one codec puts an object together from bytes that were made before. */
interface Parts<P extends Part> {
  /** What identical watches share; gone with the body, the instance. */
  readonly snapshots: WeakMap<SnapshotBody, Tail<P>>;
  readonly deltas: WeakMap<DeltaBody, Tail<P>>;
  readonly endpoints: WeakMap<Instance, P>;
  /** In memory of its own, for as long as the instance lives; without `undefined` in it. */
  value(value: unknown): P;
  /** The name of a field that is not the first of its object, up to its value. */
  name(name: string): P;
  list(items: readonly P[]): readonly P[];
  /** Joins what will be sent many times. */
  tail(fields: number, parts: readonly P[]): Tail<P>;
  /** `head`: at least one field. */
  message(head: object, tail: Tail<P>): P;
}

const jsonParts: Parts<string> = {
  snapshots: new WeakMap(),
  deltas: new WeakMap(),
  endpoints: new WeakMap(),
  value: (value) => JSON.stringify(value),
  name: (name) => `,"${name}":`,
  list: (items) => [`[${items.join(",")}]`],
  tail: (fields, parts) => ({ fields, parts: [parts.join("")] }),
  message: (head, tail) => `${JSON.stringify(head).slice(0, -1)}${tail.parts.join("")}}`,
};

const msgpackParts: Parts<Uint8Array> = {
  snapshots: new WeakMap(),
  deltas: new WeakMap(),
  endpoints: new WeakMap(),
  value: (value) => new Uint8Array(packTuple(value)),
  name: (name) => remembered(names, name, () => new Uint8Array(packTuple(name))),
  list: (items) => [arrayHeader(items.length), ...items],
  tail: (fields, parts) => ({ fields, parts: [concatBytes(parts)] }),
  message: (head, tail) => {
    const bytes = packTuple(head);
    const first = must(bytes[0]);
    // The header of a map of fewer than 16 fields is one byte, and they end in its count.
    assert((first & 0x0f) + tail.fields < 16, "a message of more than 15 fields");
    bytes[0] = first + tail.fields;
    return joinBytes([bytes, ...tail.parts]);
  },
};

const plainTails = new WeakMap<SnapshotBody, Tail<string>>();

/** Names of fields: half a dozen short texts, packed once. */
const names = new Map<string, Uint8Array>();

function partsOf(codec: ClientCodec): Parts<Part> {
  return must(byCodec.get(codec), "a codec that is not of this module");
}

const byCodec = new Map<ClientCodec, Parts<Part>>([
  [jsonCodec, jsonParts as unknown as Parts<Part>],
  [msgpackCodec, msgpackParts as unknown as Parts<Part>],
]);

interface Memory<K, V> {
  get(key: K): V | undefined;
  set(key: K, value: V): unknown;
}

function remembered<K, V>(known: Memory<K, V>, key: K, make: () => V): V {
  let value = known.get(key);
  if (value === undefined) {
    value = make();
    known.set(key, value);
  }
  return value;
}

function endpointList<P extends Part>(parts: Parts<P>, of: readonly Instance[]): readonly P[] {
  const endpoints = of.map((instance) =>
    remembered(parts.endpoints, instance, () => parts.value(toEndpoint(instance))),
  );
  return parts.list(endpoints);
}

function snapshotTail<P extends Part>(parts: Parts<P>, body: SnapshotBody): Tail<P> {
  const { revision, instances, isReset, ageMs } = body;
  const fields = [
    ...[parts.name("revision"), parts.value(revision)],
    ...[parts.name("endpoints"), ...endpointList(parts, instances)],
    ...(isReset ? [parts.name("reset"), parts.value(true)] : []),
    ...(ageMs === null ? [] : [parts.name("ageMs"), parts.value(ageMs)]),
  ];
  return parts.tail(2 + (isReset ? 1 : 0) + (ageMs === null ? 0 : 1), fields);
}

function deltaTail<P extends Part>(parts: Parts<P>, body: DeltaBody): Tail<P> {
  const { revision, put, remove, collapsed } = body;
  const fields = [
    ...[parts.name("revision"), parts.value(revision)],
    ...[parts.name("put"), ...endpointList(parts, put)],
    ...[parts.name("remove"), parts.value(remove.map(toKeyBody))],
  ];
  if (collapsed !== null) {
    const { from, isLast } = collapsed;
    fields.push(parts.name("collapsed"), parts.value({ from, last: isLast }));
  }
  return parts.tail(collapsed === null ? 3 : 4, fields);
}
