import type {
  InstanceContent,
  InstanceKey,
  InstanceSpec,
  InstanceStatus,
  Location,
  MetaPairs,
} from "../registry/instance.ts";
import { assert } from "../util/assert.ts";

/** One encoding a value: a field that is absent is null, meta is keys and values in turn. */
export type KeyTuple = readonly [
  namespace: string,
  application: string,
  protocol: string,
  addr: string,
];
type LocationTuple = readonly [region: string | null, zone: string | null, campus: string | null];

const STATUSES: readonly InstanceStatus[] = ["up", "down", "draining"];

export function keyTuple(key: InstanceKey): KeyTuple {
  return [key.namespace, key.application, key.protocol, key.addr];
}

export function readKey(value: unknown): InstanceKey {
  const [namespace, application, protocol, addr] = tupleOf(value, 4);
  return {
    namespace: text(namespace),
    application: text(application),
    protocol: text(protocol),
    addr: text(addr),
  };
}

export function specTuple(
  spec: InstanceKey & InstanceContent,
  isPersistent: boolean,
): readonly unknown[] {
  return [
    spec.namespace,
    spec.application,
    spec.protocol,
    spec.addr,
    metaRow(spec.meta),
    spec.weight,
    spec.version,
    locationTuple(spec.location),
    STATUSES.indexOf(spec.status),
    spec.reason,
    isPersistent,
  ];
}

export function readSpec(value: unknown): InstanceSpec {
  const tuple = tupleOf(value, 11);
  assert(typeof tuple[10] === "boolean", "isPersistent is no boolean");
  return {
    namespace: text(tuple[0]),
    application: text(tuple[1]),
    protocol: text(tuple[2]),
    addr: text(tuple[3]),
    meta: readMeta(tuple[4]),
    weight: integer(tuple[5]),
    version: textOrNull(tuple[6]),
    location: readLocation(tuple[7]),
    status: readStatus(tuple[8]),
    reason: textOrNull(tuple[9]),
    isPersistent: tuple[10],
  };
}

/** The bits of the fields that are there, then their values in this order. */
export function contentTuple(set: Partial<InstanceContent>): readonly unknown[] {
  const tuple: unknown[] = [0];
  let bits = 0;
  const add = (bit: number, value: unknown): void => {
    bits |= bit;
    tuple.push(value);
  };
  if (set.meta !== undefined) {
    add(1, metaRow(set.meta));
  }
  if (set.weight !== undefined) {
    add(2, set.weight);
  }
  if (set.version !== undefined) {
    add(4, set.version);
  }
  if (set.location !== undefined) {
    add(8, locationTuple(set.location));
  }
  if (set.status !== undefined) {
    add(16, STATUSES.indexOf(set.status));
  }
  if (set.reason !== undefined) {
    add(32, set.reason);
  }
  tuple[0] = bits;
  return tuple;
}

export function readContent(value: unknown): Partial<InstanceContent> {
  assert(Array.isArray(value), "a tuple is missing");
  const bits = integer(value[0]);
  let next = 1;
  const take = (): unknown => value[next++];
  const content: Partial<InstanceContent> = {
    ...((bits & 1) === 0 ? {} : { meta: readMeta(take()) }),
    ...((bits & 2) === 0 ? {} : { weight: integer(take()) }),
    ...((bits & 4) === 0 ? {} : { version: textOrNull(take()) }),
    ...((bits & 8) === 0 ? {} : { location: readLocation(take()) }),
    ...((bits & 16) === 0 ? {} : { status: readStatus(take()) }),
    ...((bits & 32) === 0 ? {} : { reason: textOrNull(take()) }),
  };
  assert(bits < 64 && next === value.length, "an update has other fields than it says");
  return content;
}

function metaRow(meta: MetaPairs): readonly string[] {
  const row: string[] = [];
  for (const [key, value] of meta) {
    row.push(key, value);
  }
  return row;
}

function readMeta(value: unknown): MetaPairs {
  assert(Array.isArray(value) && value.length % 2 === 0, "meta is not in pairs");
  const pairs: [string, string][] = [];
  for (let at = 0; at < value.length; at += 2) {
    pairs.push([text(value[at]), text(value[at + 1])]);
  }
  return pairs;
}

function locationTuple(location: Location | null): LocationTuple | null {
  return location === null
    ? null
    : [location.region ?? null, location.zone ?? null, location.campus ?? null];
}

function readLocation(value: unknown): Location | null {
  if (value === null) {
    return null;
  }
  const [region, zone, campus] = tupleOf(value, 3);
  return {
    ...(region === null ? {} : { region: text(region) }),
    ...(zone === null ? {} : { zone: text(zone) }),
    ...(campus === null ? {} : { campus: text(campus) }),
  };
}

function readStatus(value: unknown): InstanceStatus {
  const status = STATUSES[integer(value)];
  assert(status !== undefined, "an unknown status");
  return status;
}

export function tupleOf(value: unknown, length: number): readonly unknown[] {
  assert(Array.isArray(value) && value.length === length, "a tuple of another length");
  return value;
}

export function text(value: unknown): string {
  assert(typeof value === "string", "a text is missing");
  return value;
}

function textOrNull(value: unknown): string | null {
  return value === null ? null : text(value);
}

export function integer(value: unknown): number {
  assert(Number.isSafeInteger(value) && (value as number) >= 0, "a number is missing");
  return value as number;
}
