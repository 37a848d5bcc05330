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

export type LogPageMade = Pick<HttpResponse, "contentType" | "body">;

/**
 * Null where the query is not one, or of another lineage. `former`: what is in use has no such entry,
 * and nobody leads, so that it is worth while to look into what was in use before (`formerLogPage`).
 */
export async function logPage(
  host: LogHost,
  query: URLSearchParams,
): Promise<LogPageMade | "former" | null> {
  if (query.get("lineage") !== host.lineage) return null;
  if (query.has("snapshot")) return pageOf(host, await snapshotPart(host, query));
  const to = entryIn(query);
  if (to === null) return null;
  const values = await host.source.readDownFrom(to, LOG_PAGE_BYTES_MAX);
  return values.length === 0 && host.leader === null ? "former" : pageOf(host, logPart(values));
}

/** As `logPage`, of entries in what was in use before; none where somebody leads by now. */
export async function formerLogPage(
  host: LogHost,
  query: URLSearchParams,
): Promise<LogPageMade | null> {
  const to = entryIn(query);
  if (query.get("lineage") !== host.lineage || to === null) return null;
  const isLed = host.leader !== null;
  return pageOf(
    host,
    logPart(isLed ? [] : await host.source.readFormerDownFrom(to, LOG_PAGE_BYTES_MAX)),
  );
}

function pageOf({ lineage, leader }: LogHost, part: object | null): LogPageMade | null {
  if (part === null) return null;
  const page = { apiVersion: "v1", lineage, leader, ...part };
  return { contentType: "application/json; charset=utf-8", body: `${JSON.stringify(page)}\n` };
}

function logPart(values: readonly Uint8Array[]): object {
  return { kind: "LogPart", items: values.map(encoded) };
}

function entryIn(query: URLSearchParams): number | null {
  const to = Number(query.get("to"));
  return Number.isSafeInteger(to) && to >= 1 ? to : null;
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

/** Who was asked is of another cluster, or of another epoch of this one. */
export class OtherLineage extends Error {
  readonly lineage: string;

  constructor(lineage: string) {
    super(`it is no member of this cluster, but of lineage ${lineage}`);
    this.lineage = lineage;
  }
}

/**
 * How a member asks another one for what it has. Each rejects with an Error that says why not, an
 * `OtherLineage` where it is none of the same.
 */
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
    const told = page?.["lineage"];
    if (typeof told === "string" && told !== lineage) throw new OtherLineage(told);
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
