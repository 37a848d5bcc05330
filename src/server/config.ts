import { z } from "zod";
import { LOG_LEVELS, type LogLevel } from "../env/logger.ts";
import {
  DISK_FULL_BYTES_DEFAULT,
  DISK_LOW_BYTES_DEFAULT,
  DISK_RESERVE_BYTES_DEFAULT,
  DRAIN_MS_DEFAULT,
  GOAWAY_SPREAD_MS_DEFAULT,
  NAME_BYTES_MAX,
  PORT_DEFAULT,
} from "../limits.ts";
import { isAddr } from "../schema/text-rules.ts";
import { type HostPort, type NamedAddress, parseAddress } from "./address.ts";
import { checkTogether } from "./config-rules.ts";
import { configurationError } from "./node-error.ts";

/** A node's configuration, checked. `rollcall start` and `startNode` take the same. */
export interface NodeConfig {
  /** This member's name: in the bootstrap list, or one that no member has. */
  readonly id: string;
  readonly dataDir: string;
  readonly listen: HostPort;
  /** `host:port` that clients and peers are told; null is where the node listens. */
  readonly advertise: string | null;
  /** All first members, this one included; used only while the directory is fresh. */
  readonly bootstrap: readonly NamedAddress[];
  /** Members of a running cluster that a fresh directory is to join, `host:port`. */
  readonly join: readonly string[];
  /** A node that has joined stays a learner until it is promoted by hand. */
  readonly learner: boolean;
  /** Where to dial a peer, whatever else is known of it. */
  readonly peers: readonly NamedAddress[];
  readonly allowOrigin: readonly string[];
  readonly insecure: boolean;
  readonly logLevel: LogLevel;
  /** How long clients may take to leave when the node is told to stop. */
  readonly drainMs: number;
  readonly goawaySpreadMs: number;
  /** Room on the disk below which the registry takes no registrations; 0 for never, null by its size. */
  readonly diskLowBytes: number | null;
  /** Room below which the node takes no entries; likewise. */
  readonly diskFullBytes: number | null;
  /** The least that is kept for when the disk is full; 0 for nothing, null by its size. */
  readonly diskReserveBytes: number | null;
}

interface OptionRow {
  readonly flag: string;
  readonly env: string;
  /** `switch` has no value; `list` may be given more than once, in the environment with commas. */
  readonly kind: "value" | "switch" | "list";
  readonly value: string;
  readonly doc: string;
}

function mebibytes(bytes: number): string {
  return `${bytes / 2 ** 20}MiB`;
}

/** Flags and environment, for `--help`, the documentation and `parseNodeConfig`. */
export const NODE_OPTIONS = {
  id: {
    flag: "--id",
    env: "ROLLCALL_ID",
    kind: "value",
    value: "NAME",
    doc: "Name of this member, as in the bootstrap list; to join, one that nobody has",
  },
  dataDir: {
    flag: "--data",
    env: "ROLLCALL_DATA",
    kind: "value",
    value: "DIR",
    doc: "Data directory; made when absent",
  },
  listen: {
    flag: "--listen",
    env: "ROLLCALL_LISTEN",
    kind: "value",
    value: "HOST:PORT",
    doc: `Where to listen (default 127.0.0.1:${PORT_DEFAULT})`,
  },
  advertise: {
    flag: "--advertise",
    env: "ROLLCALL_ADVERTISE",
    kind: "value",
    value: "HOST:PORT",
    doc: "Address that clients and peers are told (default: --listen)",
  },
  bootstrap: {
    flag: "--bootstrap",
    env: "ROLLCALL_BOOTSTRAP",
    kind: "list",
    value: "NAME=HOST:PORT",
    doc: "The first members, this one included; ignored once the directory is part of a cluster",
  },
  join: {
    flag: "--join",
    env: "ROLLCALL_JOIN",
    kind: "list",
    value: "HOST:PORT",
    doc: "Join the cluster of this member; ignored once the directory is part of a cluster",
  },
  learner: {
    flag: "--learner",
    env: "ROLLCALL_LEARNER",
    kind: "switch",
    value: "",
    doc: "With --join: stay a learner, until 'rollcall member promote' or 'member replace'",
  },
  peers: {
    flag: "--peer",
    env: "ROLLCALL_PEER",
    kind: "list",
    value: "NAME=HOST:PORT",
    doc: "Where to dial this peer instead of its known address",
  },
  allowOrigin: {
    flag: "--allow-origin",
    env: "ROLLCALL_ALLOW_ORIGIN",
    kind: "list",
    value: "ORIGIN",
    doc: "Let pages of this origin connect",
  },
  insecure: {
    flag: "--insecure",
    env: "ROLLCALL_INSECURE",
    kind: "switch",
    value: "",
    doc: "Listen beyond loopback without tokens or TLS",
  },
  logLevel: {
    flag: "--log-level",
    env: "ROLLCALL_LOG_LEVEL",
    kind: "value",
    value: "LEVEL",
    doc: `${LOG_LEVELS.join(", ")} (default info)`,
  },
  drainMs: {
    flag: "--drain-ms",
    env: "ROLLCALL_DRAIN_MS",
    kind: "value",
    value: "MS",
    doc: `Time for clients to leave at a stop (default ${DRAIN_MS_DEFAULT})`,
  },
  goawaySpreadMs: {
    flag: "--goaway-spread-ms",
    env: "ROLLCALL_GOAWAY_SPREAD_MS",
    kind: "value",
    value: "MS",
    doc: `Window in which clients are asked to leave (default ${GOAWAY_SPREAD_MS_DEFAULT})`,
  },
  diskLowBytes: {
    flag: "--disk-low",
    env: "ROLLCALL_DISK_LOW",
    kind: "value",
    value: "SIZE",
    doc: `Room on the disk below which no registrations are taken (default ${mebibytes(DISK_LOW_BYTES_DEFAULT)}, or a tenth of it)`,
  },
  diskFullBytes: {
    flag: "--disk-full",
    env: "ROLLCALL_DISK_FULL",
    kind: "value",
    value: "SIZE",
    doc: `Room below which this node takes no entries (default ${mebibytes(DISK_FULL_BYTES_DEFAULT)}, or a twentieth)`,
  },
  diskReserveBytes: {
    flag: "--disk-reserve",
    env: "ROLLCALL_DISK_RESERVE",
    kind: "value",
    value: "SIZE",
    doc: `The least to keep on the disk for when it is full (default ${mebibytes(DISK_RESERVE_BYTES_DEFAULT)}, or a twentieth)`,
  },
} as const satisfies Record<keyof NodeConfig, OptionRow>;

const DRAIN_MS_MAX = 600_000;
const SIZE_UNITS = { "": 1, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30, TiB: 2 ** 40 } as const;

const name = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._-]*$/, "must be letters, digits, '.', '_' or '-'")
  .max(NAME_BYTES_MAX);

/** What is told to others, who check it as they check every address. */
const address = z.string().refine(isAddr, "must be HOST:PORT, with a port from 1 to 65535");

/** As browsers send it, or it would never be equal; `null` is what many different pages send. */
const origin = z
  .string()
  .refine(isOrigin, "must be an origin such as https://console.example: small letters, no path");

function isOrigin(text: string): boolean {
  if (/^https?:/i.test(text)) {
    return URL.canParse(text) && new URL(text).origin === text;
  }
  return /^[a-z][a-z\d+.-]*:\/\/[^\s/?#]+$/.test(text);
}

const hostPort = z.string().transform((text, context): HostPort => {
  const parsed = parseAddress(text);
  if (parsed === null) {
    context.addIssue({ code: "custom", message: "must be HOST:PORT" });
    return z.NEVER;
  }
  return parsed;
});

const namedAddress = z.string().transform((text, context): NamedAddress => {
  const [label = "", ...rest] = text.split("=");
  const parsed = z.object({ name, address }).safeParse({ name: label, address: rest.join("=") });
  if (!parsed.success) {
    context.addIssue({
      code: "custom",
      message: `must be NAME=HOST:PORT, not ${JSON.stringify(text)}`,
    });
    return z.NEVER;
  }
  return parsed.data;
});

const list = z.preprocess(
  (value) =>
    (Array.isArray(value) ? value : [value])
      .flatMap((item: unknown) => (typeof item === "string" ? item.split(",") : [item]))
      .map((item: unknown) => (typeof item === "string" ? item.trim() : item))
      .filter((item) => item !== ""),
  z.array(z.unknown()),
);

const milliseconds = z.coerce.number().int().min(0).max(DRAIN_MS_MAX);

/** `512MiB`, `2GiB`, `0` in bytes; null when `text` is none of these. */
export function parseSizeBytes(text: string): number | null {
  const [, count, unit = ""] = /^(\d{1,12})\s*([KMGT]iB)?$/.exec(text.trim()) ?? [];
  return count === undefined ? null : Number(count) * SIZE_UNITS[unit as keyof typeof SIZE_UNITS];
}

const size = z.union([z.string(), z.number()]).transform((given, context): number => {
  const bytes = parseSizeBytes(String(given));
  if (bytes !== null) {
    return bytes;
  }
  context.addIssue({ code: "custom", message: "must be a size such as 512MiB, 2GiB or 0" });
  return z.NEVER;
});

const truth = z.union([
  z.boolean(),
  z.enum(["true", "1", "false", "0", ""]).transform((text) => text === "true" || text === "1"),
]);

const schema = z.strictObject({
  id: name,
  dataDir: z.string().min(1),
  listen: hostPort,
  advertise: address.nullable(),
  bootstrap: list.pipe(z.array(namedAddress)),
  join: list.pipe(z.array(address)),
  learner: truth,
  peers: list.pipe(z.array(namedAddress)),
  allowOrigin: list.pipe(z.array(origin)),
  insecure: truth,
  logLevel: z.enum(LOG_LEVELS),
  drainMs: milliseconds,
  goawaySpreadMs: milliseconds,
  diskLowBytes: size.nullable(),
  diskFullBytes: size.nullable(),
  diskReserveBytes: size.nullable(),
});

const DEFAULTS = {
  listen: `127.0.0.1:${PORT_DEFAULT}`,
  advertise: null,
  bootstrap: [],
  join: [],
  learner: false,
  peers: [],
  allowOrigin: [],
  insecure: false,
  logLevel: "info",
  drainMs: DRAIN_MS_DEFAULT,
  goawaySpreadMs: GOAWAY_SPREAD_MS_DEFAULT,
  diskLowBytes: null,
  diskFullBytes: null,
  diskReserveBytes: null,
};

/** What flags give, under the names of `NodeConfig`; each as text, or as a list of texts. */
export type NodeFlags = { readonly [K in keyof NodeConfig]?: unknown };

/**
 * Flag over environment over default. Throws a `NodeError` with exit code 78 that names the flag
 * and the variable.
 */
export function parseNodeConfig(
  flags: NodeFlags,
  env: Readonly<Record<string, string | undefined>> = {},
): NodeConfig {
  const given: Record<string, unknown> = { ...DEFAULTS };
  for (const [key, row] of Object.entries(NODE_OPTIONS)) {
    const fromEnv = env[row.env];
    if (fromEnv !== undefined && fromEnv !== "") {
      given[key] = fromEnv;
    }
  }
  for (const [key, value] of Object.entries(flags)) {
    if (value !== undefined) {
      given[key] = value;
    }
  }
  const parsed = schema.safeParse(given);
  if (!parsed.success) {
    throw configurationError(describe(parsed.error.issues[0], given));
  }
  checkTogether(parsed.data);
  return parsed.data;
}

function describe(issue: z.core.$ZodIssue | undefined, given: Record<string, unknown>): string {
  const key = String(issue?.path[0] ?? "");
  const row: OptionRow | undefined = Object.hasOwn(NODE_OPTIONS, key)
    ? NODE_OPTIONS[key as keyof NodeConfig]
    : undefined;
  if (row === undefined) {
    return issue?.message ?? "configuration is not valid";
  }
  const name = `${row.flag} (${row.env})`;
  return given[key] === undefined
    ? `${name} is required`
    : `${name}: ${issue?.message ?? "not valid"}`;
}
