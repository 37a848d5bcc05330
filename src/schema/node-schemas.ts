import * as z from "zod";
import { ERRORS, type ErrorCode } from "../errors.ts";
import type {
  DeltaMessage,
  Endpoint,
  ErrorBody,
  GoAway,
  KeyBody,
  Mark,
  NodeMessage,
  PlainAnswer,
  PlainPush,
  Pong,
  ReplyMessage,
  SessionMessage,
  SnapshotMessage,
  Welcome,
} from "../wire/messages.ts";
import { count, type Equal, hex, keyShape, location, meta, status, weight } from "./fields.ts";

/** What a node sends. The node does not check itself: these are for the pin, the docs, tests. */
const codes = Object.keys(ERRORS) as [ErrorCode, ...ErrorCode[]];

const errorBody = z.strictObject({
  code: z.enum(codes),
  message: z.string(),
  field: z.string().exactOptional(),
  limit: z.number().exactOptional(),
  retryAfterMs: count.exactOptional(),
});

const key = z.strictObject(keyShape);

const endpoint = z.strictObject({
  ...keyShape,
  namespace: z.string(),
  meta,
  weight,
  version: z.string().exactOptional(),
  location: location.exactOptional(),
  status,
  reason: z.string().exactOptional(),
  session: z.string().nullable(),
  createdRevision: count,
  modifiedRevision: count,
  createdAtMs: count,
  modifiedAtMs: count,
});

export const welcome = z.strictObject({
  type: z.literal("welcome"),
  protocol: count,
  node: z.string(),
  leader: z.string().nullable(),
  members: z.array(z.strictObject({ name: z.string(), id: hex(16), address: z.string() })),
  lineage: z.string(),
  revision: count,
  limits: z.strictObject({
    frameBytesMax: count,
    requestsInFlightMax: count,
    ttlMsMin: count,
    ttlMsMax: count,
  }),
});

const sessionHead = { type: z.literal("session"), id: hex(32) };
export const session = z.union([
  z.strictObject({ ...sessionHead, state: z.literal("unconfirmed") }),
  z.strictObject({
    ...sessionHead,
    state: z.literal("resumed"),
    owned: count,
    ownedRevision: count,
    lastSeq: count,
    revision: count,
  }),
  z.strictObject({
    ...sessionHead,
    state: z.literal("expired"),
    reason: z.enum(["closed", "ttl", "grace", "killed", "unknown"]),
    revision: count,
  }),
  z.strictObject({
    ...sessionHead,
    state: z.literal("denied"),
    attach: count.exactOptional(),
  }),
]);

export const reply = z.union([
  z.strictObject({
    type: z.literal("reply"),
    id: count,
    ok: z.literal(true),
    revision: count,
    ageMs: count.exactOptional(),
    endpoints: z.array(endpoint).exactOptional(),
    watches: z.array(count).exactOptional(),
  }),
  z.strictObject({
    type: z.literal("reply"),
    id: count,
    ok: z.literal(false),
    revision: count.exactOptional(),
    error: errorBody,
  }),
]);

export const snapshot = z.strictObject({
  type: z.literal("snapshot"),
  watch: count,
  revision: count,
  endpoints: z.array(endpoint),
  reset: z.boolean().exactOptional(),
  ageMs: count.exactOptional(),
});

export const delta = z.strictObject({
  type: z.literal("delta"),
  watch: count,
  revision: count,
  put: z.array(endpoint),
  remove: z.array(key),
  collapsed: z.strictObject({ from: count, last: z.boolean() }).exactOptional(),
});

export const mark = z.strictObject({ type: z.literal("mark"), revision: count });

export const pong = z.strictObject({
  type: z.literal("pong"),
  id: count,
  confirmed: z.boolean(),
  revision: count,
  leaderAgeMs: count.exactOptional(),
  owned: count.exactOptional(),
  ownedRevision: count.exactOptional(),
});

export const goAway = z.strictObject({
  type: z.literal("goaway"),
  reason: z.string(),
  addresses: z.array(z.string()),
  spreadMs: count,
});

export const nodeMessage = z.union([welcome, session, reply, snapshot, delta, mark, pong, goAway]);

export const plainAnswer = z.union([
  z.strictObject({ ok: z.literal(true), version: z.string() }),
  z.strictObject({ ok: z.literal(false), error: errorBody }),
]);

export const plainPush = z.strictObject({
  version: z.string(),
  watch: count,
  ageUnknown: z.literal(true).exactOptional(),
  endpoints: z.array(endpoint),
});

true satisfies Equal<z.output<typeof errorBody>, ErrorBody>;
true satisfies Equal<z.output<typeof key>, KeyBody>;
true satisfies Equal<z.output<typeof endpoint>, Endpoint>;
true satisfies Equal<z.output<typeof welcome>, Welcome>;
true satisfies Equal<z.output<typeof session>, SessionMessage>;
true satisfies Equal<z.output<typeof reply>, ReplyMessage>;
true satisfies Equal<z.output<typeof snapshot>, SnapshotMessage>;
true satisfies Equal<z.output<typeof delta>, DeltaMessage>;
true satisfies Equal<z.output<typeof mark>, Mark>;
true satisfies Equal<z.output<typeof pong>, Pong>;
true satisfies Equal<z.output<typeof goAway>, GoAway>;
true satisfies Equal<z.output<typeof nodeMessage>, NodeMessage>;
true satisfies Equal<z.output<typeof plainAnswer>, PlainAnswer>;
true satisfies Equal<z.output<typeof plainPush>, PlainPush>;
