import type { NodeStatus, SessionStatus } from "../server/status.ts";
import { httpUrl } from "./servers.ts";

/** `GET /v1/sessions`. */
export interface SessionPage {
  readonly kind: "SessionList";
  readonly lineage: string;
  readonly total: number;
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
  let text: string;
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(timeoutMs) });
    text = await response.text();
  } catch (error) {
    throw new Error(reasonOf(error, timeoutMs), { cause: error });
  }
  const page = parse(text);
  if (page?.["kind"] !== kind) {
    throw new Error(refusalOf(page) ?? `${url} is no page of a Rollcall node`);
  }
  return page as P;
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

function reasonOf(error: unknown, timeoutMs: number): string {
  if (error instanceof Error && error.name === "TimeoutError") {
    return `no answer within ${timeoutMs} ms`;
  }
  const cause = error instanceof Error ? error.cause : undefined;
  const { code, message } = (cause ?? error) as NodeJS.ErrnoException;
  return code ?? message ?? String(error);
}
