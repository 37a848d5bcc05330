import type { HttpResponse } from "../env/env.ts";
import { LOG_PAGE_BYTES_MAX } from "../limits.ts";
import type { SnapshotId } from "../raft/types.ts";
import type { RepairSource, SealedChunk } from "../storage/snapshot-source.ts";
import { askPage } from "./ask-page.ts";
import type { Member } from "./member.ts";

/**
 * What a node has on its disk of the log of its cluster, for a member that repairs its own:
 *
 * - `GET /v1/log?lineage=L&to=N`: entries, from entry N downwards. Each proves itself.
 * - `GET /v1/log?lineage=L&snapshot=current`: the record of its snapshot.
 * - `GET /v1/log?lineage=L&snapshot=INDEX.NONCE&chunk=K`: chunks of that one, from K upwards.
 */

export interface LogHost {
  readonly source: RepairSource;
  readonly lineage: string;
  /** Whom this node follows, or null. */
  readonly leader: string | null;
}

/** Of a node that serves. */
export function logHostOf(member: Member, source: RepairSource): LogHost {
  return { source, lineage: member.lineage, leader: member.status().leader };
}

/** What a node answers that is of the same cluster. */
export interface LogPage {
  readonly leader: string | null;
  readonly values: readonly Uint8Array[];
}

/** Null where the query is not one, or of another lineage. */
export async function logPage(
  host: LogHost,
  query: URLSearchParams,
): Promise<Pick<HttpResponse, "contentType" | "body"> | null> {
  if (query.get("lineage") !== host.lineage) return null;
  const part = query.has("snapshot")
    ? await snapshotPart(host, query)
    : await entriesPart(host, query);
  if (part === null) return null;
  const { lineage, leader } = host;
  const page = { apiVersion: "v1", lineage, leader, ...part };
  return { contentType: "application/json; charset=utf-8", body: `${JSON.stringify(page)}\n` };
}

async function entriesPart({ source, leader }: LogHost, query: URLSearchParams) {
  const to = Number(query.get("to"));
  if (!Number.isSafeInteger(to) || to < 1) return null;
  const current = await source.readDownFrom(to, LOG_PAGE_BYTES_MAX);
  const isLast = current.length === 0 && leader === null;
  const values = isLast ? await source.readFormerDownFrom(to, LOG_PAGE_BYTES_MAX) : current;
  return { kind: "LogPart", items: values.map(encoded) };
}

async function snapshotPart({ source }: LogHost, query: URLSearchParams) {
  if (query.get("snapshot") === "current") {
    const record = await source.readPointer();
    return { kind: "SnapshotRecord", record: record === null ? null : encoded(record) };
  }
  const [, index, nonce] = /^(\d+)\.(\d+)$/.exec(query.get("snapshot") ?? "") ?? [];
  const id = { index: Number(index), nonce: Number(nonce) };
  const chunk = Number(query.get("chunk"));
  const numbers = [id.index, id.nonce, chunk];
  if (!numbers.every(Number.isSafeInteger) || chunk < 0 || chunk >= CHUNKS_MAX) return null;
  const chunks = await source.readChunksFrom(id, chunk, LOG_PAGE_BYTES_MAX);
  const items = chunks.map(({ chunk: number, value }) => ({
    chunk: number,
    value: encoded(value),
  }));
  return { kind: "SnapshotPart", items };
}

/** The number of a chunk has four bytes. */
const CHUNKS_MAX = 2 ** 32 - 1;

/** How a member asks another one for what it has. Each rejects with an Error that says why not. */
export interface LogQuestions {
  entries(address: string, to: number): Promise<LogPage>;
  /** As it is stored; null where there is none. */
  snapshotRecord(address: string): Promise<Uint8Array | null>;
  chunks(address: string, id: SnapshotId, first: number): Promise<readonly SealedChunk[]>;
}

/** Over HTTP. */
export function logQuestions(lineage: string, timeoutMs: number): LogQuestions {
  const ask = async (address: string, kind: string, query: Readonly<Record<string, string>>) => {
    const search = new URLSearchParams({ lineage, ...query });
    const page = await askPage("GET", `http://${address}/v1/log?${search}`, timeoutMs);
    if (page?.["kind"] === kind && page["lineage"] === lineage) return page;
    const error = (page?.["error"] as { message?: unknown } | undefined)?.message;
    throw new Error(typeof error === "string" ? error : "it is no member of this cluster");
  };
  return {
    entries: async (address, to) => {
      const { leader, items } = await ask(address, "LogPart", { to: String(to) });
      return {
        leader: typeof leader === "string" ? leader : null,
        values: listOf(items).map(decoded),
      };
    },
    snapshotRecord: async (address) => {
      const { record } = await ask(address, "SnapshotRecord", { snapshot: "current" });
      return typeof record === "string" ? decoded(record) : null;
    },
    chunks: async (address, { index, nonce }, first) => {
      const query = { snapshot: `${index}.${nonce}`, chunk: String(first) };
      const { items } = await ask(address, "SnapshotPart", query);
      return listOf(items).map((item) => {
        const { chunk, value } = Object(item) as Partial<Record<string, unknown>>;
        return { chunk: Number(chunk), value: decoded(value) };
      });
    },
  };
}

function listOf(items: unknown): readonly unknown[] {
  return Array.isArray(items) ? items : [];
}

function encoded(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("base64");
}

function decoded(text: unknown): Uint8Array {
  return Buffer.from(String(text), "base64");
}
