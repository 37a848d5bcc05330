import type { HttpResponse } from "../env/env.ts";
import { LOG_PAGE_BYTES_MAX } from "../limits.ts";
import type { LogSource } from "../storage/storage.ts";
import { askPage } from "./ask-page.ts";
import type { Member } from "./member.ts";

/**
 * `GET /v1/log?lineage=L&to=N`: what a node has on its disk of the log of its cluster, from entry N
 * downwards, for a member that repairs its own. It takes nothing on trust: each entry proves itself.
 */

export interface LogHost {
  readonly source: LogSource;
  readonly lineage: string;
  /** Whom this node follows, or null. */
  readonly leader: string | null;
}

/** Of a node that serves. */
export function logHostOf(member: Member, source: LogSource): LogHost {
  return { source, lineage: member.lineage, leader: member.status().leader };
}

/** What a node answers that is of the same cluster. */
export interface LogPage {
  readonly leader: string | null;
  readonly values: readonly Uint8Array[];
}

/** Null where the query is not one, or of another lineage. */
export async function logPage(
  { source, lineage, leader }: LogHost,
  query: URLSearchParams,
): Promise<Pick<HttpResponse, "contentType" | "body"> | null> {
  const to = Number(query.get("to"));
  if (query.get("lineage") !== lineage || !Number.isSafeInteger(to) || to < 1) return null;
  const current = await source.readDownFrom(to, LOG_PAGE_BYTES_MAX);
  const isLast = current.length === 0 && leader === null;
  const values = isLast ? await source.readFormerDownFrom(to, LOG_PAGE_BYTES_MAX) : current;
  const items = values.map((value) => Buffer.from(value).toString("base64"));
  const page = { apiVersion: "v1", kind: "LogPart", lineage, leader, items };
  return { contentType: "application/json; charset=utf-8", body: `${JSON.stringify(page)}\n` };
}

/** Rejects with an Error whose message says why there is no answer. */
export async function askLog(
  address: string,
  lineage: string,
  to: number,
  timeoutMs: number,
): Promise<LogPage> {
  const query = new URLSearchParams({ lineage, to: String(to) });
  const page = await askPage("GET", `http://${address}/v1/log?${query}`, timeoutMs);
  const { leader = null, items } = (page ?? {}) as Partial<Record<string, unknown>>;
  if (page?.["kind"] !== "LogPart" || page["lineage"] !== lineage || !Array.isArray(items)) {
    const error = (page?.["error"] as { message?: unknown } | undefined)?.message;
    throw new Error(typeof error === "string" ? error : "it is no member of this cluster");
  }
  return {
    leader: typeof leader === "string" ? leader : null,
    values: items.map((item) => Buffer.from(String(item), "base64")),
  };
}
