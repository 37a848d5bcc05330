import type { Logger } from "../env/env.ts";
import {
  GRACE_MS_DEFAULT,
  GRACE_MS_MIN,
  INSTANCE_BYTES_MAX,
  META_KEY_BYTES_MAX,
  META_PAIRS_MAX,
  NAMESPACE_DEFAULT,
  PORT_DEFAULT,
  TTL_MS_DEFAULT,
  TTL_MS_MAX,
  TTL_MS_MIN,
  WEIGHT_MAX,
} from "../limits.ts";
import type {
  Endpoint,
  KeyBody,
  Meta,
  ReadBody,
  RegisterBody,
  SelectorBody,
} from "../wire/messages.ts";
import type { CallOptions } from "./call.ts";
import {
  bytesOf,
  checkFields,
  checkInteger,
  checkText,
  type Fields,
  invalid,
  overLimit,
} from "./check.ts";
import type { UpdateSet } from "./instance-content.ts";

/** All optional: with none, the client talks to `rollcall dev` on this machine. */
export interface ConnectOptions {
  /** `ws://host:port`, `wss://…` or `host:port`; one or many. Default `ws://127.0.0.1:7420`. */
  readonly servers?: string | readonly string[];
  /** Of every registration and selector that names none. Default `default`. */
  readonly namespace?: string;
  /** What this client calls itself in `rollcall sessions` and in the nodes' logs. */
  readonly name?: string;
  readonly token?: string;
  readonly logger?: Logger;
  /** Silence after which the registry drops what this client registered; 3,000 to 300,000. */
  readonly ttlMs?: number;
  /** The same after a connection that broke visibly; 0 to `ttlMs`. Default 2,000. */
  readonly graceMs?: number;
}

export interface CheckedOptions {
  readonly servers: readonly string[];
  readonly namespace: string;
  readonly name: string;
  readonly token: string | null;
  readonly logger: Logger | null;
  readonly ttlMs: number;
  readonly graceMs: number;
}

type Content = Omit<RegisterBody, "addr">;
/** `addr`, or `host` and `port`. */
export type RegisterInput = Content &
  ({ readonly addr: string } | { readonly host: string; readonly port: number });

const CALL_KEYS = ["signal", "timeoutMs"];
const TIMEOUT_MS_MAX = 86_400_000;
const COUNT = [0, Number.MAX_SAFE_INTEGER] as const;
/** Of a field's path in an error, where a key of the user's is long. */
const PATH_LENGTH_MAX = 200;

export function checkConnectOptions(value: unknown): CheckedOptions {
  const known = ["servers", "namespace", "name", "token", "logger", "ttlMs", "graceMs"];
  const options = checkFields(value ?? {}, "options", known);
  const ttlMs = checkInteger(
    options["ttlMs"] ?? TTL_MS_DEFAULT,
    "ttlMs",
    [TTL_MS_MIN, TTL_MS_MAX],
    "TTL_MS_MIN, TTL_MS_MAX",
  );
  const graceDefault = Math.min(GRACE_MS_DEFAULT, ttlMs);
  return {
    servers: checkServers(options["servers"] ?? `ws://127.0.0.1:${PORT_DEFAULT}`),
    namespace: checkText(options["namespace"] ?? NAMESPACE_DEFAULT, "namespace", "NAME_BYTES_MAX"),
    name: checkText(options["name"] ?? "rollcall-client", "name", "NAME_BYTES_MAX"),
    token:
      options["token"] === undefined
        ? null
        : checkText(options["token"], "token", "TOKEN_BYTES_MAX"),
    logger: checkLogger(options["logger"]),
    ttlMs,
    graceMs: checkInteger(
      options["graceMs"] ?? graceDefault,
      "graceMs",
      [GRACE_MS_MIN, ttlMs],
      "GRACE_MS_MIN, ttlMs",
    ),
  };
}

function checkServers(value: unknown): readonly string[] {
  const list: readonly unknown[] = Array.isArray(value) ? value : [value];
  if (list.length === 0) {
    throw invalid("servers", "must name at least one");
  }
  return list.map((server, position) => checkServer(server, `servers[${position}]`));
}

function checkServer(value: unknown, field: string): string {
  const text = checkText(value, field, "SERVER_URL_BYTES_MAX");
  const url = text.includes("://") ? text : `ws://${text}`;
  if (!/^wss?:\/\//.test(url) || !URL.canParse(url)) {
    throw invalid(field, "must be ws://host:port, wss://host:port or host:port");
  }
  return url.replace(/\/$/, "");
}

function checkLogger(value: unknown): Logger | null {
  if (value === undefined) {
    return null;
  }
  const logger = value as Partial<Record<keyof Logger, unknown>> | null;
  for (const level of ["debug", "info", "warn", "error"] as const) {
    if (typeof logger?.[level] !== "function") {
      throw invalid("logger", `must have a method ${level}(fields, message)`);
    }
  }
  return value as Logger;
}

/** `extra`: keys that the call takes beside its signal and timeout. */
export function checkCall(value: unknown, extra: readonly string[] = []): CallOptions {
  if (value === undefined) {
    return {};
  }
  const options = checkFields(value, "call", [...CALL_KEYS, ...extra]);
  const { signal, timeoutMs } = options;
  if (signal !== undefined && typeof (signal as AbortSignal).addEventListener !== "function") {
    throw invalid("signal", "must be an AbortSignal");
  }
  if (timeoutMs !== undefined && timeoutMs !== Number.POSITIVE_INFINITY) {
    checkInteger(timeoutMs, "timeoutMs", [1, TIMEOUT_MS_MAX]);
  }
  return value as CallOptions;
}

export function checkRegister(value: unknown, namespace: string): RegisterBody {
  const input = checkFields(value, "register", [
    ...["namespace", "application", "protocol", "addr", "host", "port", "meta", "weight"],
    ...["version", "location", "status", "reason", "persistent"],
  ]);
  const persistent = input["persistent"];
  if (persistent !== undefined && typeof persistent !== "boolean") {
    throw invalid("persistent", "must be true or false");
  }
  const body: RegisterBody = {
    ...checkKey(input, checkAddr(input), namespace),
    ...(checkSet(input, false) as Omit<RegisterBody, keyof KeyBody>),
    ...(persistent === true && { persistent }),
  };
  const bytes = textBytes(body);
  if (bytes > INSTANCE_BYTES_MAX) {
    throw overLimit(
      "TOO_LARGE",
      "meta",
      `makes an instance of ${bytes} bytes`,
      "INSTANCE_BYTES_MAX",
    );
  }
  return body;
}

/** Of all texts of an instance, as a node counts them. */
function textBytes(value: unknown): number {
  if (typeof value === "string") {
    return bytesOf(value);
  }
  if (typeof value !== "object" || value === null) {
    return 0;
  }
  return Object.values(value).reduce<number>((bytes, part) => bytes + textBytes(part), 0);
}

export function checkKeyInput(value: unknown, namespace: string): Required<KeyBody> {
  const known = ["namespace", "application", "protocol", "addr", "host", "port"];
  const input = checkFields(value, "key", known);
  return checkKey(input, checkAddr(input), namespace);
}

function checkKey(input: Fields, addr: string, namespace: string): Required<KeyBody> {
  return {
    namespace: checkText(input["namespace"] ?? namespace, "namespace", "NAME_BYTES_MAX"),
    application: checkText(input["application"], "application", "NAME_BYTES_MAX"),
    protocol: checkText(input["protocol"], "protocol", "NAME_BYTES_MAX"),
    addr,
  };
}

function checkAddr(input: Fields): string {
  const { addr, host, port } = input;
  if (addr !== undefined && (host !== undefined || port !== undefined)) {
    throw invalid("addr", "excludes host and port");
  }
  if (addr === undefined) {
    const name = checkText(host, "host", "ADDR_BYTES_MAX");
    const bracketed = name.includes(":") && !name.startsWith("[") ? `[${name}]` : name;
    const digits = checkInteger(port, "port", [1, 65_535]);
    return checkText(`${bracketed}:${digits}`, "addr", "ADDR_BYTES_MAX");
  }
  const text = checkText(addr, "addr", "ADDR_BYTES_MAX");
  const colon = text.lastIndexOf(":");
  const digits = text.slice(colon + 1);
  if (colon < 1 || !/^[1-9]\d{0,4}$/.test(digits) || Number(digits) > 65_535) {
    throw invalid("addr", "must be host:port");
  }
  return text;
}

/** The fields that the owner may change. null clears one, where `isUpdate`. */
export function checkSet(input: Fields, isUpdate: boolean): UpdateSet {
  const set: Record<string, unknown> = {};
  if (input["meta"] !== undefined) {
    set["meta"] = checkMeta(input["meta"]);
  }
  if (input["weight"] !== undefined) {
    set["weight"] = checkInteger(input["weight"], "weight", [0, WEIGHT_MAX], "WEIGHT_MAX");
  }
  const status = input["status"];
  if (status !== undefined) {
    if (status !== "up" && status !== "down" && status !== "draining") {
      throw invalid("status", "must be up, down or draining");
    }
    set["status"] = status;
  }
  for (const [field, limit] of [
    ["version", "NAME_BYTES_MAX"],
    ["reason", "REASON_BYTES_MAX"],
  ] as const) {
    if (input[field] !== undefined) {
      const isCleared = isUpdate && input[field] === null;
      set[field] = isCleared ? null : checkText(input[field], field, limit);
    }
  }
  if (input["location"] !== undefined) {
    const isCleared = isUpdate && input["location"] === null;
    set["location"] = isCleared ? null : checkLocation(input["location"]);
  }
  return set as UpdateSet;
}

export function checkUpdate(value: unknown): UpdateSet {
  const known = ["meta", "weight", "version", "location", "status", "reason"];
  return checkSet(checkFields(value, "set", known), true);
}

function checkMeta(value: unknown): Meta {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw invalid("meta", "must be an object of texts");
  }
  const pairs = Object.entries(value);
  if (pairs.length > META_PAIRS_MAX) {
    throw overLimit("LIMIT", "meta", `has ${pairs.length} pairs`, "META_PAIRS_MAX");
  }
  for (const [key, text] of pairs) {
    const field = `meta.${key}`.slice(0, PATH_LENGTH_MAX);
    checkMetaKey(key, field);
    if (text !== "") {
      checkText(text, field, "META_VALUE_BYTES_MAX");
    }
  }
  return value as Meta;
}

function checkMetaKey(key: string, field: string): void {
  if (key === "") {
    throw invalid("meta", "has an empty key");
  }
  const bytes = bytesOf(key);
  if (bytes > META_KEY_BYTES_MAX) {
    throw overLimit("TOO_LARGE", field, `has a key of ${bytes} bytes`, "META_KEY_BYTES_MAX");
  }
  if (/\p{Cc}/u.test(key)) {
    throw invalid(field, "has a control character in its key");
  }
}

function checkLocation(value: unknown): NonNullable<Endpoint["location"]> {
  const location = checkFields(value, "location", ["region", "zone", "campus"]);
  for (const [field, text] of Object.entries(location)) {
    checkText(text, `location.${field}`, "NAME_BYTES_MAX");
  }
  return value as NonNullable<Endpoint["location"]>;
}

/** A text stands for the application of that name. */
export function checkSelector(value: unknown, namespace: string): SelectorBody {
  if (typeof value === "string") {
    return { namespace, application: checkText(value, "application", "NAME_BYTES_MAX") };
  }
  const known = ["namespace", "application", "provider", "protocol", "meta"];
  const input = checkFields(value, "selector", known);
  if ((input["application"] === undefined) === (input["provider"] === undefined)) {
    throw invalid("application", "or provider must be given, and not both");
  }
  return {
    namespace: checkText(input["namespace"] ?? namespace, "namespace", "NAME_BYTES_MAX"),
    application: checkText(
      input["application"] ?? input["provider"],
      "application",
      "NAME_BYTES_MAX",
    ),
    ...(input["protocol"] !== undefined && {
      protocol: checkText(input["protocol"], "protocol", "NAME_BYTES_MAX"),
    }),
    ...(input["meta"] !== undefined && { meta: checkMeta(input["meta"]) }),
  };
}

export function checkRead(value: unknown): ReadBody {
  if (value === undefined || value === "linearizable") {
    return "linearizable";
  }
  const read = checkFields(value, "read", ["atLeast", "staleMs"]);
  if ((read["atLeast"] === undefined) === (read["staleMs"] === undefined)) {
    throw invalid("read", "must be linearizable, {atLeast} or {staleMs}");
  }
  if (read["atLeast"] !== undefined) {
    return { atLeast: checkInteger(read["atLeast"], "read.atLeast", COUNT) };
  }
  const { staleMs } = read;
  return {
    staleMs: staleMs === null ? null : checkInteger(staleMs, "read.staleMs", COUNT),
  };
}
