import { request as httpRequest } from "node:http";
import { request as httpsRequest } from "node:https";
import { HTTP_PAGE_BYTES_MAX } from "../limits.ts";
import { deferred } from "../util/deferred.ts";

type Page = Readonly<Record<string, unknown>>;

/**
 * The JSON object that another node answers, whatever the status; null where it is none. Rejects
 * with an Error whose message says why there is no answer.
 */
export async function askPage(
  method: "GET" | "POST",
  url: string,
  timeoutMs: number,
): Promise<Page | null> {
  const text = await answerTo(method, url, timeoutMs);
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? { ...value } : null;
  } catch {
    return null;
  }
}

/** Not by `fetch`, which refuses ports that a browser may not go to, such as 6000 and 10080. */
function answerTo(method: "GET" | "POST", url: string, timeoutMs: number): Promise<string> {
  const { promise, resolve, reject } = deferred<string>();
  const signal = AbortSignal.timeout(timeoutMs);
  const fail = (cause: NodeJS.ErrnoException): void => {
    const why = signal.aborted ? `no answer within ${timeoutMs} ms` : (cause.code ?? cause.message);
    reject(new Error(why, { cause }));
  };
  const make = url.startsWith("https:") ? httpsRequest : httpRequest;
  const request = make(url, { method, agent: false, signal }, (response) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    response.on("data", (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes > HTTP_PAGE_BYTES_MAX) {
        response.destroy(new Error(`an answer of more than ${HTTP_PAGE_BYTES_MAX} bytes`));
      }
      chunks.push(chunk);
    });
    response.on("end", () => resolve(Buffer.concat(chunks).toString("utf8")));
    response.on("error", fail);
  });
  request.on("error", fail);
  request.end();
  return promise;
}
