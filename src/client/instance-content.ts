import { NAMESPACE_DEFAULT, WEIGHT_DEFAULT } from "../limits.ts";
import type { Endpoint, KeyBody, Meta, RegisterBody, UpdateMessage } from "../wire/messages.ts";

/** Who an instance is. */
export interface InstanceKey {
  readonly namespace: string;
  readonly application: string;
  readonly protocol: string;
  /** `host:port` */
  readonly addr: string;
}

export type UpdateSet = UpdateMessage["set"];

export function keyOf(body: KeyBody): InstanceKey {
  return {
    namespace: body.namespace ?? NAMESPACE_DEFAULT,
    application: body.application,
    protocol: body.protocol,
    addr: body.addr,
  };
}

/** One text for one identity. Names hold no control characters, so the join is unambiguous. */
export function keyText(body: KeyBody): string {
  const key = keyOf(body);
  return `${key.namespace}\n${key.application}\n${key.protocol}\n${key.addr}`;
}

/** The content once an update has been applied to it. null clears a field. */
export function withUpdate(body: RegisterBody, set: UpdateSet): RegisterBody {
  const merged: Record<string, unknown> = { ...body };
  for (const [field, value] of Object.entries(set)) {
    if (value === null) {
      delete merged[field];
    } else if (value !== undefined) {
      merged[field] = value;
    }
  }
  return merged as unknown as RegisterBody;
}

/** Whether the registry holds what the provider says. */
export function isSameContent(body: RegisterBody, endpoint: Endpoint): boolean {
  return (
    isSameMeta(body.meta ?? {}, endpoint.meta) &&
    (body.weight ?? WEIGHT_DEFAULT) === endpoint.weight &&
    body.version === endpoint.version &&
    body.location?.region === endpoint.location?.region &&
    body.location?.zone === endpoint.location?.zone &&
    body.location?.campus === endpoint.location?.campus &&
    (body.status ?? "up") === endpoint.status &&
    body.reason === endpoint.reason
  );
}

function isSameMeta(a: Meta, b: Meta): boolean {
  const pairs = Object.entries(a);
  return (
    pairs.length === Object.keys(b).length && pairs.every(([name, value]) => b[name] === value)
  );
}
