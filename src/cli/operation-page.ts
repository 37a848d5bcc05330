import { request as httpRequest } from "node:http";
import { request as httpsRequest } from "node:https";
import { ERRORS, type ErrorCode } from "../errors.ts";
import { deferred } from "../util/deferred.ts";
import { httpUrl } from "./servers.ts";

/** What `POST /v1/members` answers. */
export interface OperationPage {
  /** Null: it is done. */
  readonly error: {
    readonly code: string;
    readonly message: string;
    readonly reason?: string;
    readonly leader?: { readonly name: string; readonly address: string };
  } | null;
}

/** Rejects with an Error whose message says why there is no answer. */
export async function postOperation(
  server: string,
  query: URLSearchParams,
  timeoutMs: number,
): Promise<OperationPage> {
  const text = await post(httpUrl(server, `/v1/members?${query}`), timeoutMs);
  const page = JSON.parse(text) as Partial<OperationPage> & { readonly kind?: string };
  if (page.kind !== "MembersChange" && typeof page.error?.message !== "string") {
    throw new Error(`${server} is no Rollcall node`);
  }
  return { error: page.error ?? null };
}

export function isErrorCode(code: string): code is ErrorCode {
  return Object.hasOwn(ERRORS, code);
}

function post(url: string, timeoutMs: number): Promise<string> {
  const { promise, resolve, reject } = deferred<string>();
  const signal = AbortSignal.timeout(timeoutMs);
  const fail = ({ code, message }: NodeJS.ErrnoException): void =>
    reject(new Error(signal.aborted ? `no answer within ${timeoutMs} ms` : (code ?? message)));
  const make = url.startsWith("https:") ? httpsRequest : httpRequest;
  const request = make(url, { method: "POST", agent: false, signal }, (response) => {
    const chunks: Buffer[] = [];
    response.on("data", (chunk: Buffer) => chunks.push(chunk));
    response.on("end", () => resolve(Buffer.concat(chunks).toString("utf8")));
    response.on("error", fail);
  });
  request.on("error", fail);
  request.end();
  return promise;
}
