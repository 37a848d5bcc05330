import { askPage } from "../server/ask-page.ts";
import type { SessionStatus, StatusPage } from "../server/status.ts";
import { httpUrl } from "./servers.ts";

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
export function askStatus(server: string, timeoutMs: number): Promise<StatusPage> {
  return ask<StatusPage>(server, "/v1/status", "NodeStatus", timeoutMs);
}

export function askSessions(server: string, timeoutMs: number): Promise<SessionPage> {
  return ask<SessionPage>(server, "/v1/sessions", "SessionList", timeoutMs);
}

async function ask<P>(server: string, path: string, kind: string, timeoutMs: number): Promise<P> {
  const url = httpUrl(server, path);
  const page = await askPage("GET", url, timeoutMs);
  if (page?.["kind"] !== kind) {
    throw new Error(refusalOf(page) ?? `${url} is no page of a Rollcall node`);
  }
  return page as P;
}

function refusalOf(page: Readonly<Record<string, unknown>> | null): string | null {
  const error = page?.["error"] as { readonly message?: unknown } | undefined;
  return typeof error?.message === "string" ? error.message : null;
}
