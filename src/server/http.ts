import type { HttpRequest, HttpResponse, Logger } from "../env/env.ts";
import { ERRORS, type Refusal } from "../errors.ts";
import { HTTP_PAGES_WAITING_MAX, LOG_READS_WAITING_MAX } from "../limits.ts";
import type { Selector } from "../registry/instance.ts";
import type { ReadConsistency } from "../replica/inputs.ts";
import { checkClientMessage } from "../schema/client-message.ts";
import { AssertionError } from "../util/assert.ts";
import { toEndpoint, toSelector } from "../wire/endpoint.ts";
import type { SelectorBody } from "../wire/messages.ts";
import { PROTOCOL_VERSION } from "../wire/messages.ts";
import type { BackupAnswer } from "./backup.ts";
import type { LocalAnswer } from "./local-reads.ts";
import { formerLogPage, type LogHost, type LogPageMade, logPage } from "./log-page.ts";
import type { LogReads } from "./log-reads.ts";
import type { Machine } from "./machine.ts";
import type { Metrics } from "./metrics.ts";
import { readOperation, statusOfRefusal } from "./operation-page.ts";
import type { Operation, OperationAnswer } from "./operations.ts";
import type { PageTurns } from "./page-turns.ts";
import type { NodeStatus, SessionsStatus } from "./status.ts";
import type { WebAccess } from "./web-access.ts";

export interface HealthCheck {
  readonly name: string;
  /** Null when it is fine. */
  readonly failure: string | null;
  /** What is remarkable though it does not fail. */
  readonly note?: string;
}

/** A born node, as its HTTP pages see it. */
export interface HttpPages {
  readonly lineage: string;
  status(): NodeStatus;
  sessions(): SessionsStatus;
  backup(isLinearizable: boolean): Promise<BackupAnswer>;
  operate(operation: Operation): Promise<OperationAnswer>;
  read(selector: Selector, consistency: ReadConsistency): Promise<LocalAnswer>;
}

export interface HttpHost {
  readonly version: string;
  readonly metrics: Metrics;
  readonly logger: Logger;
  readonly access: WebAccess;
  readonly turns: PageTurns;
  readonly logReads: LogReads;
  readonly machine: Machine;
  readiness(): readonly HealthCheck[];
  /** Null until the node is born. */
  pages(): HttpPages | null;
  /** Null where there is no log to hand out. */
  log(): LogHost | null;
}

const JSON_TYPE = "application/json; charset=utf-8";
const BACKUP_TYPE = "application/vnd.rollcall.snapshot";
const TEXT_TYPE = "text/plain; charset=utf-8";
const ROUTES = [
  "/livez",
  "/readyz",
  "/version",
  "/metrics",
  "/v1/instances",
  "/v1/status",
  "/v1/sessions",
  "/v1/members",
  "/v1/log",
  "/v1/snapshot",
];
const META_PREFIX = "meta.";

/** Health, metrics and a few read-only pages, beside the WebSockets on the same port. */
export async function answerHttp(host: HttpHost, request: HttpRequest): Promise<HttpResponse> {
  const response = await route(host, request).catch((error: unknown) => {
    if (error instanceof AssertionError) {
      throw error;
    }
    host.logger.error({ err: error, path: request.path }, "an HTTP page failed");
    return refusal(500, { code: "INTERNAL", message: ERRORS.INTERNAL.doc });
  });
  const label = ROUTES.includes(request.path) ? request.path : "other";
  host.metrics.httpRequests.inc({ route: label, code: String(response.status) });
  return response;
}

async function route(host: HttpHost, request: HttpRequest): Promise<HttpResponse> {
  const { origin } = request;
  const denied = host.access.originRefusal(origin) ?? host.access.hostRefusal(request.host);
  if (denied !== null) {
    return refusal(403, { code: "DENIED", message: denied });
  }
  const response = await allowed(host, request);
  return origin === null ? response : { ...response, allowOrigin: origin };
}

async function allowed(host: HttpHost, request: HttpRequest): Promise<HttpResponse> {
  const { method, path, query } = request;
  if (!ROUTES.includes(path)) {
    return refusal(404, {
      code: "NOT_FOUND",
      message: `there is no ${path}; try ${ROUTES.join(" ")}`,
    });
  }
  if (path === "/v1/members") {
    return members(host, request);
  }
  const methods = path === "/v1/snapshot" ? ["GET"] : ["GET", "HEAD"];
  if (!methods.includes(method)) {
    const response = refusal(405, { code: "INVALID", message: `${path} takes GET` });
    return { ...response, allow: methods.join(", ") };
  }
  switch (path) {
    case "/livez":
      return { status: 200, contentType: TEXT_TYPE, body: "ok\n" };
    case "/readyz":
      return readiness(host.readiness(), query.has("verbose"));
    case "/version": {
      const { version } = host;
      return json(200, {
        name: "rollcall",
        version,
        protocol: PROTOCOL_VERSION,
        node: process.version,
      });
    }
    case "/metrics":
      return inTurn(host, async () => {
        const body = await host.metrics.text();
        return { status: 200, contentType: host.metrics.contentType, body };
      });
    case "/v1/log":
      return log(host, request);
    default:
      return page(host, path, query);
  }
}

async function log(host: HttpHost, { query, over }: HttpRequest): Promise<HttpResponse> {
  const { current, former } = host.logReads;
  let answer = await current.take(over, () => logAnswer(host, query, logPage));
  if (answer === "former") {
    answer = await former.take(over, () => logAnswer(host, query, formerLogPage));
  }
  if (answer !== null && answer !== "former") return answer;
  const message = `${LOG_READS_WAITING_MAX} members wait for parts of the log (LOG_READS_WAITING_MAX)`;
  return refusal(503, { code: "OVERLOADED", message, limit: LOG_READS_WAITING_MAX });
}

/** In its turn: what it says of whom this node follows has to be true now, not when it was asked. */
async function logAnswer(
  host: HttpHost,
  query: URLSearchParams,
  make: (from: LogHost, query: URLSearchParams) => Promise<LogPageMade | "former" | null>,
): Promise<HttpResponse | "former"> {
  const from = host.log();
  if (from === null) {
    return refusal(503, { code: "DRAINING", message: notServing(host.readiness()) });
  }
  const page = await make(from, query);
  if (page === "former") return page;
  if (page !== null) return { status: 200, ...page };
  const message = `lineage is ${from.lineage}, and to is the index of an entry (docs/protocol.md)`;
  return json(400, { lineage: from.lineage, error: { code: "INVALID", message } });
}

/** As the Kubernetes API server words it: a failing check is always named. */
function readiness(checks: readonly HealthCheck[], isVerbose: boolean): HttpResponse {
  const isReady = checks.every((check) => check.failure === null);
  const lines = checks.map(({ name, failure, note }) =>
    failure === null
      ? `[+]${name} ok${note === undefined ? "" : `: ${note}`}`
      : `[-]${name} failed: ${failure}`,
  );
  const text = isReady ? "ok" : "not ready";
  const body = isReady && !isVerbose ? `${text}\n` : `${[...lines, text].join("\n")}\n`;
  return { status: isReady ? 200 : 503, contentType: TEXT_TYPE, body };
}

/** Why a node that is there does not serve. */
export function notServing(checks: readonly HealthCheck[]): string {
  const why = checks.findLast(({ failure }) => failure !== null)?.failure ?? "it is leaving";
  return `the node does not serve now: ${why}`;
}

async function inTurn(
  host: HttpHost,
  make: () => HttpResponse | Promise<HttpResponse>,
): Promise<HttpResponse> {
  if (await host.turns.next()) {
    return make();
  }
  const message = `${HTTP_PAGES_WAITING_MAX} pages wait to be made (HTTP_PAGES_WAITING_MAX)`;
  return refusal(503, { code: "OVERLOADED", message, limit: HTTP_PAGES_WAITING_MAX });
}

async function page(host: HttpHost, path: string, query: URLSearchParams): Promise<HttpResponse> {
  const pages = host.pages();
  if (pages === null) {
    return refusal(503, { code: "DRAINING", message: notServing(host.readiness()) });
  }
  switch (path) {
    case "/v1/status":
      return inTurn(host, async () => {
        const machine = await host.machine.status();
        return json(200, { ...pages.status(), ...machine });
      });
    case "/v1/sessions":
      return inTurn(host, () => {
        const { items, total } = pages.sessions();
        const { lineage } = pages;
        const { ageMs } = pages.status();
        return json(200, { apiVersion: "v1", kind: "SessionList", lineage, ageMs, total, items });
      });
    case "/v1/snapshot":
      return backup(pages, query);
    default:
      return instances(host, pages, query);
  }
}

/** A file of its own, of any size: see `storage/backup-file.ts`. */
async function backup(pages: HttpPages, query: URLSearchParams): Promise<HttpResponse> {
  const read = query.get("read") ?? "stale";
  const isKnown = [...query].every(([key]) => key === "read");
  if (!isKnown || (read !== "linearizable" && read !== "stale")) {
    const message = "it takes read, which is linearizable or stale";
    return refusal(400, { code: "INVALID", message, field: "read" });
  }
  const answer = await pages.backup(read === "linearizable");
  return answer.ok
    ? { status: 200, contentType: BACKUP_TYPE, body: "", stream: answer.bytes }
    : refusal(503, answer.refusal);
}

/** The one page that changes something; `WebAccess` has kept web pages of strangers from it. */
async function members(host: HttpHost, { method, query }: HttpRequest): Promise<HttpResponse> {
  if (method !== "POST") {
    const response = refusal(405, { code: "INVALID", message: "/v1/members takes POST" });
    return { ...response, allow: "POST" };
  }
  const asked = readOperation(query);
  if (!asked.ok) {
    return refusal(400, asked.refusal);
  }
  const pages = host.pages();
  if (pages === null) {
    return refusal(503, { code: "DRAINING", message: notServing(host.readiness()) });
  }
  const answer = await pages.operate(asked.operation);
  if (answer.ok) {
    const operation = query.get("operation");
    const { ok: _, ...told } = answer;
    return json(200, { apiVersion: "v1", kind: "MembersChange", operation, ...told });
  }
  return refusal(statusOfRefusal(answer.refusal.code), answer.refusal);
}

/** The query is checked as the `get` message that it stands for. */
async function instances(
  host: HttpHost,
  pages: HttpPages,
  query: URLSearchParams,
): Promise<HttpResponse> {
  const asked = readQuery(query);
  if ("code" in asked) {
    return refusal(400, asked);
  }
  const checked = checkClientMessage({ type: "get", id: 0, selector: asked.selector });
  if (!checked.ok) {
    return refusal(400, inQuery(checked.refusal));
  }
  const read = await pages.read(toSelector(asked.selector), asked.consistency);
  if (!read.ok) {
    return refusal(503, read.refusal);
  }
  const { instances: found, revision, ageMs } = read.answer;
  return inTurn(host, () =>
    json(200, {
      apiVersion: "v1",
      kind: "InstanceList",
      revision,
      lineage: pages.lineage,
      ...(ageMs === null ? {} : { ageMs }),
      items: found.map(toEndpoint),
    }),
  );
}

interface Asked {
  readonly selector: SelectorBody;
  readonly consistency: ReadConsistency;
}

function readQuery(query: URLSearchParams): Asked | Refusal {
  const texts = new Map<string, string>();
  const meta: [string, string][] = [];
  const seen = new Set<string>();
  for (const [key, value] of query) {
    if (seen.has(key)) {
      return { code: "INVALID", message: `${key} is given more than once`, field: key };
    }
    seen.add(key);
    if (key.startsWith(META_PREFIX)) {
      meta.push([key.slice(META_PREFIX.length), value]);
    } else if (PARAMETERS.has(key)) {
      texts.set(key, value);
    } else {
      const known = [...PARAMETERS].join(", ");
      const message = `unknown parameter ${key}; there are ${known} and ${META_PREFIX}KEY`;
      return { code: "INVALID", message, field: key };
    }
  }
  const read = texts.get("read") ?? "linearizable";
  if (read !== "linearizable" && read !== "stale") {
    return { code: "INVALID", message: "read is linearizable or stale", field: "read" };
  }
  const application = texts.get("application");
  if (application === undefined) {
    return { code: "INVALID", message: "application is missing", field: "application" };
  }
  const namespace = texts.get("namespace");
  const protocol = texts.get("protocol");
  return {
    selector: {
      application,
      ...(namespace === undefined ? {} : { namespace }),
      ...(protocol === undefined ? {} : { protocol }),
      ...(meta.length === 0 ? {} : { meta: Object.fromEntries(meta) }),
    },
    consistency: read === "stale" ? { type: "stale", maxAgeMs: null } : { type: "linearizable" },
  };
}

const PARAMETERS: ReadonlySet<string> = new Set(["namespace", "application", "protocol", "read"]);

/** A refusal of the message that a query stands for, in the query's words. */
function inQuery({ field, message, ...rest }: Refusal): Refusal {
  const outside = /^selector\./;
  return {
    ...{ ...rest, message: message.replace(outside, "") },
    ...(field === undefined ? {} : { field: field.replace(outside, "") }),
  };
}

function json(status: number, value: unknown): HttpResponse {
  return { status, contentType: JSON_TYPE, body: `${JSON.stringify(value)}\n` };
}

function refusal(status: number, error: Refusal): HttpResponse {
  const isRetryable = ERRORS[error.code].retry !== "no";
  const response = json(status, { error });
  return status === 503 && isRetryable ? { ...response, retryAfterSeconds: 1 } : response;
}
