import { NAMESPACE_DEFAULT, WEIGHT_DEFAULT } from "../limits.ts";
import type {
  Instance,
  InstanceKey,
  InstanceSpec,
  MetaPairs,
  Selector,
} from "../registry/instance.ts";
import type { Endpoint, KeyBody, Meta, RegisterBody, SelectorBody } from "./messages.ts";

/** Sorted by code units, which no locale and no insertion order changes. */
export function metaToPairs(meta: Meta | undefined): MetaPairs {
  if (meta === undefined) {
    return [];
  }
  const pairs: [string, string][] = Object.entries(meta);
  return pairs.sort(([a], [b]) => (a < b ? -1 : 1));
}

export function pairsToMeta(pairs: MetaPairs): Meta {
  return Object.fromEntries(pairs);
}

/** What a client sent, checked before, with its defaults filled in. */
export function toInstanceSpec(body: RegisterBody): InstanceSpec {
  const { location } = body;
  return {
    namespace: body.namespace ?? NAMESPACE_DEFAULT,
    application: body.application,
    protocol: body.protocol,
    addr: body.addr,
    meta: metaToPairs(body.meta),
    weight: body.weight ?? WEIGHT_DEFAULT,
    version: body.version ?? null,
    location: location === undefined || Object.keys(location).length === 0 ? null : location,
    status: body.status ?? "up",
    reason: body.reason ?? null,
    isPersistent: body.persistent ?? false,
  };
}

export function toInstanceKey(body: KeyBody): InstanceKey {
  return {
    namespace: body.namespace ?? NAMESPACE_DEFAULT,
    application: body.application,
    protocol: body.protocol,
    addr: body.addr,
  };
}

export function toSelector(body: SelectorBody): Selector {
  return {
    namespace: body.namespace ?? NAMESPACE_DEFAULT,
    application: body.application ?? body.provider ?? "",
    protocol: body.protocol ?? null,
    meta: metaToPairs(body.meta),
  };
}

export function toKeyBody(key: InstanceKey): KeyBody {
  return {
    namespace: key.namespace,
    application: key.application,
    protocol: key.protocol,
    addr: key.addr,
  };
}

export function toEndpoint(instance: Instance): Endpoint {
  const { version, location, reason } = instance;
  return {
    namespace: instance.namespace,
    application: instance.application,
    protocol: instance.protocol,
    addr: instance.addr,
    meta: pairsToMeta(instance.meta),
    weight: instance.weight,
    ...(version === null ? {} : { version }),
    ...(location === null ? {} : { location }),
    status: instance.status,
    ...(reason === null ? {} : { reason }),
    session: instance.session,
    createdRevision: instance.createdRevision,
    modifiedRevision: instance.modifiedRevision,
    createdAtMs: instance.createdAtMs,
    modifiedAtMs: instance.modifiedAtMs,
  };
}

/** What plain clients and `get --format hostport` are given: others are not to be called. */
export function isUsable(instance: { readonly status: Instance["status"] }): boolean {
  return instance.status === "up";
}
