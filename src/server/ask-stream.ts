import { request as httpRequest, type IncomingMessage } from "node:http";
import { request as httpsRequest } from "node:https";
import { deferred } from "../util/deferred.ts";

/** Of what is said instead: an error is short. */
const REFUSAL_BYTES_MAX = 64 * 1024;

/**
 * The bytes that another node answers with, of whatever length. Rejects with an Error whose message
 * says why there are none; so does the reading of them where nothing comes for `silenceMsMax`, or
 * where the answer breaks off.
 */
export async function askStream(
  url: string,
  timeoutMs: number,
  silenceMsMax: number,
): Promise<AsyncIterable<Uint8Array>> {
  const response = await answerTo(url, timeoutMs);
  const silent = new Error(`nothing came for ${silenceMsMax} ms`);
  response.setTimeout(silenceMsMax, () => response.destroy(silent));
  if (response.statusCode === 200) {
    return response;
  }
  throw new Error((await refusalIn(response)) ?? `${url} is no page of a Rollcall node`);
}

/** Not by `fetch`, as in `ask-page.ts`. */
function answerTo(url: string, timeoutMs: number): Promise<IncomingMessage> {
  const { promise, resolve, reject } = deferred<IncomingMessage>();
  const make = url.startsWith("https:") ? httpsRequest : httpRequest;
  const request = make(url, { agent: false });
  const late = setTimeout(() => {
    request.destroy(new Error(`no answer within ${timeoutMs} ms`));
  }, timeoutMs);
  request.on("response", (response) => {
    clearTimeout(late);
    resolve(response);
  });
  request.on("error", (cause: NodeJS.ErrnoException) => {
    clearTimeout(late);
    reject(new Error(cause.code ?? cause.message, { cause }));
  });
  request.end();
  return promise;
}

/** Null where it says nothing that can be told. */
async function refusalIn(response: IncomingMessage): Promise<string | null> {
  let text = "";
  for await (const piece of response.setEncoding("utf8")) {
    text += piece;
    if (text.length > REFUSAL_BYTES_MAX) {
      return null;
    }
  }
  try {
    const page = JSON.parse(text) as { readonly error?: { readonly message?: unknown } };
    return typeof page.error?.message === "string" ? page.error.message : null;
  } catch {
    return null;
  }
}
