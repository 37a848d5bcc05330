import { get as httpGet } from "node:http";
import { get as httpsGet } from "node:https";
import type { NodeStatus, SessionStatus } from "../server/status.ts";
import { deferred } from "../util/deferred.ts";
import { httpUrl } from "./servers.ts";

/** Ten thousand sessions take 3 MB. */
const PAGE_BYTES_MAX = 64 * 1024 * 1024;

/** `GET /v1/sessions`. */
export interface SessionPage {
  readonly kind: "SessionList";
  readonly lineage: string;
  readonly total: number;
  /** How old the node's copy may be; null where it cannot tell. */
  readonly ageMs: number | null;
  readonly items: readonly SessionStatus[];
}

/** The HTTP pages of one node. Rejects with an Error whose message says why there is no answer. */
export function askStatus(server: string, timeoutMs: number): Promise<NodeStatus> {
  return ask<NodeStatus>(server, "/v1/status", "NodeStatus", timeoutMs);
}

export function askSessions(server: string, timeoutMs: number): Promise<SessionPage> {
  return ask<SessionPage>(server, "/v1/sessions", "SessionList", timeoutMs);
}

async function ask<P>(server: string, path: string, kind: string, timeoutMs: number): Promise<P> {
  const url = httpUrl(server, path);
  const page = parse(await read(url, timeoutMs));
  if (page?.["kind"] !== kind) {
    throw new Error(refusalOf(page) ?? `${url} is no page of a Rollcall node`);
  }
  return page as P;
}

/** Not by `fetch`, which refuses ports that a browser may not go to, such as 6000 and 10080. */
function read(url: string, timeoutMs: number): Promise<string> {
  const { promise, resolve, reject } = deferred<string>();
  const signal = AbortSignal.timeout(timeoutMs);
  const fail = (error: NodeJS.ErrnoException): void =>
    reject(
      new Error(
        signal.aborted ? `no answer within ${timeoutMs} ms` : (error.code ?? error.message),
        {
          cause: error,
        },
      ),
    );
  const get = url.startsWith("https:") ? httpsGet : httpGet;
  const request = get(url, { agent: false, signal }, (response) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    response.on("data", (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes > PAGE_BYTES_MAX) {
        response.destroy(new Error(`an answer of more than ${PAGE_BYTES_MAX} bytes`));
      }
      chunks.push(chunk);
    });
    response.on("end", () => resolve(Buffer.concat(chunks).toString("utf8")));
    response.on("error", fail);
  });
  request.on("error", fail);
  return promise;
}

function parse(text: string): Readonly<Record<string, unknown>> | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? { ...value } : null;
  } catch {
    return null;
  }
}

function refusalOf(page: Readonly<Record<string, unknown>> | null): string | null {
  const error = page?.["error"] as { readonly message?: unknown } | undefined;
  return typeof error?.message === "string" ? error.message : null;
}
