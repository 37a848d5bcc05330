import { request as httpRequest } from "node:http";
import { request as httpsRequest } from "node:https";
import { deferred } from "../util/deferred.ts";

/**
 * The body of the answer, whatever its status. Rejects with an Error whose message says why there
 * is none. Not by `fetch`, which refuses ports that a browser may not go to, such as 6000 and 10080.
 */
export function httpPost(url: string, timeoutMs: number): Promise<string> {
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
