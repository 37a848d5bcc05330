import * as z from "zod";
import type { ErrorCode } from "../errors.ts";
import {
  ADDR_BYTES_MAX,
  INSTANCE_BYTES_MAX,
  META_KEY_BYTES_MAX,
  META_PAIRS_MAX,
  META_VALUE_BYTES_MAX,
  NAME_BYTES_MAX,
  REASON_BYTES_MAX,
  WEIGHT_MAX,
} from "../limits.ts";
import { isAddr, isPrintable, isWellFormed, utf8Bytes } from "./text-rules.ts";

/**
 * The same type up to `readonly`, optional fields included: the schemas and the interfaces of
 * `wire/messages.ts` hold each other.
 */
export type Equal<A, B> =
  (<T>() => T extends Writable<A> ? 1 : 2) extends <T>() => T extends Writable<B> ? 1 : 2
    ? true
    : false;

type Writable<T> = T extends readonly (infer Item)[]
  ? Writable<Item>[]
  : T extends object
    ? { -readonly [K in keyof T]: Writable<T[K]> }
    : T;

/** What a rule of ours says of a value; `refusal.ts` makes an answer of it. */
export interface RuleParams {
  readonly code: ErrorCode;
  readonly limit?: number;
}

export interface RuleContext {
  addIssue(issue: {
    code: "custom";
    message: string;
    params: Record<string, unknown>;
    path?: PropertyKey[];
    continue?: boolean;
  }): void;
}

export function refuse(
  context: RuleContext,
  message: string,
  params: RuleParams,
  path: PropertyKey[] = [],
): void {
  // Not to be continued: a rule over a whole object must not see a part that was refused.
  context.addIssue({ code: "custom", message, params: { ...params }, path, continue: false });
}

interface TextLimits {
  readonly bytesMin: number;
  readonly bytesMax: number;
  readonly limitName: string;
}

/** Printable text, measured in bytes of UTF-8. */
export function text(limits: TextLimits) {
  const { bytesMin, bytesMax, limitName } = limits;
  return z
    .string()
    .meta({ "x-bytesMin": bytesMin, "x-bytesMax": bytesMax, "x-printable": true })
    .superRefine((value, context) => {
      const bytes = utf8Bytes(value);
      if (bytes > bytesMax) {
        const message = `is ${bytes} bytes; at most ${bytesMax} (${limitName}): shorten it`;
        refuse(context, message, { code: "TOO_LARGE", limit: bytesMax });
      } else if (bytes < bytesMin) {
        const message =
          bytesMin === 1
            ? "must not be empty"
            : `is ${bytes} bytes; at least ${bytesMin} (${limitName}): take a longer one`;
        refuse(context, message, { code: "INVALID", limit: bytesMin });
      } else if (!isPrintable(value)) {
        refuse(context, "has a control or invisible character: take it out", { code: "INVALID" });
      }
    });
}

export const name = text({ bytesMin: 1, bytesMax: NAME_BYTES_MAX, limitName: "NAME_BYTES_MAX" });
export const reason = text({
  bytesMin: 0,
  bytesMax: REASON_BYTES_MAX,
  limitName: "REASON_BYTES_MAX",
});

export const addr = z
  .string()
  .meta({ "x-bytesMax": ADDR_BYTES_MAX, "x-form": "host:port" })
  .superRefine((value, context) => {
    const bytes = utf8Bytes(value);
    if (bytes > ADDR_BYTES_MAX) {
      const message = `is ${bytes} bytes; at most ${ADDR_BYTES_MAX} (ADDR_BYTES_MAX): shorten it`;
      refuse(context, message, { code: "TOO_LARGE", limit: ADDR_BYTES_MAX });
    } else if (!isAddr(value)) {
      const message =
        'must be "host:port": a host name, an IPv4 address or an IPv6 address in brackets, ' +
        "and a port from 1 to 65535";
      refuse(context, message, { code: "INVALID" });
    }
  });

/** Hex digits, lower case: ids and incarnations. */
export function hex(digits: number) {
  return z
    .string()
    .regex(new RegExp(`^[0-9a-f]{${digits}}$`), `must be ${digits} hex digits in lower case`);
}

/** Ids of requests, numbers of writes, revisions: below 2^53. */
export const count = z.int().min(0, "must not be below 0");

export function integer(min: number, max: number, limitName: string) {
  const message = `must be from ${min} to ${max} (${limitName})`;
  return z.int().min(min, message).max(max, message);
}

/**
 * The length is looked at before the items are, so that a frame of half a million wrong ones
 * costs no half a million complaints.
 */
export function list<T extends z.ZodType>(item: T, min: number, max: number, limitName: string) {
  const tooMany = `has more than ${max} items (${limitName}): send it in parts`;
  return z
    .array(z.unknown())
    .max(max, tooMany)
    .pipe(z.array(item).min(min, "must not be empty").max(max, tooMany));
}

export const meta = z
  .record(z.string(), z.unknown())
  .superRefine((value, context) => {
    if (Object.keys(value).length > META_PAIRS_MAX) {
      const message = `has more than ${META_PAIRS_MAX} pairs (META_PAIRS_MAX): take some out`;
      refuse(context, message, { code: "LIMIT", limit: META_PAIRS_MAX });
    }
  })
  .pipe(
    z
      .record(z.string(), z.string())
      .meta({
        "x-pairsMax": META_PAIRS_MAX,
        "x-keyBytesMax": META_KEY_BYTES_MAX,
        "x-valueBytesMax": META_VALUE_BYTES_MAX,
      })
      .superRefine((value, context) => {
        for (const key of Object.keys(value)) {
          checkMetaKey(key, context);
          checkMetaValue(key, value[key] as string, context);
        }
      }),
  );

function checkMetaKey(key: string, context: RuleContext): void {
  const bytes = utf8Bytes(key);
  if (bytes > META_KEY_BYTES_MAX) {
    const message = `has a key of ${bytes} bytes; at most ${META_KEY_BYTES_MAX} (META_KEY_BYTES_MAX)`;
    refuse(context, message, { code: "TOO_LARGE", limit: META_KEY_BYTES_MAX }, [key]);
  } else if (bytes === 0) {
    refuse(context, "has an empty key", { code: "INVALID" });
  } else if (!isPrintable(key)) {
    refuse(context, "has a control or invisible character in its key", { code: "INVALID" }, [key]);
  }
}

function checkMetaValue(key: string, value: string, context: RuleContext): void {
  const bytes = utf8Bytes(value);
  if (bytes > META_VALUE_BYTES_MAX) {
    const message = `is ${bytes} bytes; at most ${META_VALUE_BYTES_MAX} (META_VALUE_BYTES_MAX)`;
    refuse(context, message, { code: "TOO_LARGE", limit: META_VALUE_BYTES_MAX }, [key]);
  } else if (!isWellFormed(value)) {
    refuse(context, "is not well-formed Unicode (a lone surrogate)", { code: "INVALID" }, [key]);
  }
}

export const location = z.strictObject({
  region: name.exactOptional(),
  zone: name.exactOptional(),
  campus: name.exactOptional(),
});

export const status = z.enum(["up", "down", "draining"]);
export const weight = integer(0, WEIGHT_MAX, "WEIGHT_MAX");

export const keyShape = {
  namespace: name.exactOptional(),
  application: name,
  protocol: name,
  addr,
};

export const instanceShape = {
  ...keyShape,
  meta: meta.exactOptional(),
  weight: weight.exactOptional(),
  version: name.exactOptional(),
  location: location.exactOptional(),
  status: status.exactOptional(),
  reason: reason.exactOptional(),
  persistent: z.boolean().exactOptional(),
};

interface Sized {
  readonly namespace?: string;
  readonly application?: string;
  readonly protocol?: string;
  readonly addr?: string;
  readonly meta?: Readonly<Record<string, string>>;
  readonly version?: string | null;
  readonly location?: Readonly<Record<string, string>> | null;
  readonly reason?: string | null;
}

/** All texts of an instance together are at most INSTANCE_BYTES_MAX bytes. */
export function instanceSize(
  value: Sized,
  context: RuleContext,
  path: PropertyKey[] = ["meta"],
): void {
  const bytes = instanceBytes(value);
  if (bytes > INSTANCE_BYTES_MAX) {
    const message = `makes an instance of ${bytes} bytes; at most ${INSTANCE_BYTES_MAX} (INSTANCE_BYTES_MAX)`;
    refuse(context, message, { code: "TOO_LARGE", limit: INSTANCE_BYTES_MAX }, path);
  }
}

export function instanceBytes(value: Sized): number {
  const texts = [
    value.namespace,
    value.application,
    value.protocol,
    value.addr,
    value.version,
    value.reason,
    ...Object.values(value.location ?? {}),
    ...Object.keys(value.meta ?? {}),
    ...Object.values(value.meta ?? {}),
  ];
  return texts.reduce<number>((bytes, item) => bytes + utf8Bytes(item ?? ""), 0);
}
