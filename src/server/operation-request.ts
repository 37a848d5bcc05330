import type { NamedAddress } from "./address.ts";
import { askPage } from "./ask-page.ts";

/** What `POST /v1/members` answers. */
export interface OperationPage {
  /** Null: it is done. */
  readonly error: {
    readonly code: string;
    readonly message: string;
    readonly reason?: string;
    readonly leader?: NamedAddress;
  } | null;
  /** Of a change that is done: it is committed as of this log index. */
  readonly index?: number;
  /** For a node that has joined: where the members are. */
  readonly members?: readonly NamedAddress[];
}

type Answer = Partial<OperationPage> & { readonly kind?: string };

/**
 * Asks a node; who does not lead refuses, and names the leader. `origin` is as in `http://host:port`.
 * Rejects with an Error whose message says why there is no answer.
 */
export async function postOperation(
  origin: string,
  query: URLSearchParams,
  timeoutMs: number,
): Promise<OperationPage> {
  const url = new URL(`/v1/members?${query}`, origin).href;
  const page: Answer | null = await askPage("POST", url, timeoutMs);
  if (page === null || (page.kind !== "MembersChange" && typeof page.error?.message !== "string")) {
    throw new Error(`${origin} is no Rollcall node`);
  }
  return { ...page, error: page.error ?? null };
}

/** As `postOperation`, of the leader that the node at `origin` names where it does not lead. */
export async function askLeaderBy(
  origin: string,
  query: URLSearchParams,
  timeoutMs: number,
): Promise<OperationPage> {
  const first = await postOperation(origin, query, timeoutMs);
  const leader = first.error?.leader?.address;
  return leader === undefined
    ? first
    : postOperation(`${new URL(origin).protocol}//${leader}`, query, timeoutMs);
}
