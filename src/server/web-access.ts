import { canonicalHost, isLiteral, isLoopback, parseAddress } from "./address.ts";
import type { NodeConfig } from "./config.ts";

const HOST = /^(\[[0-9A-Fa-f:.]+\]|[^\s/?#@[\]:]+)(?::\d*)?$/;

/**
 * Keeps web pages out that the operator did not let in. Until there are tokens, a node that listens
 * on loopback trusts whoever is on its machine, and a browser there runs the code of strangers:
 *
 * - A page of `https://evil.example` fetches from `http://127.0.0.1:7420`. The browser names the
 *   page in `Origin`, and that is refused unless `--allow-origin` names it.
 * - The page's own name is made to mean 127.0.0.1 (DNS rebinding). To the browser the node is then
 *   the page's own server, and `GET` carries no `Origin`; but `Host` still has that name. A node on
 *   loopback takes only names that nobody else can point at it.
 *
 * Beyond loopback a node cannot know its names (an alias, a load balancer, a service of Kubernetes),
 * and `--insecure` has said that the network is trusted.
 */
export class WebAccess {
  readonly #allowOrigin: readonly string[];
  /** Null where any is taken. */
  readonly #names: ReadonlySet<string> | null;

  constructor({ id, listen, advertise, bootstrap, allowOrigin }: NodeConfig) {
    this.#allowOrigin = allowOrigin;
    const own = bootstrap.find(({ name }) => name === id)?.address;
    const given = [advertise, own]
      .map((address) => parseAddress(address ?? "")?.host)
      .filter((host) => host !== undefined);
    this.#names = isLoopback(listen.host) ? new Set(given.map(canonicalHost)) : null;
  }

  /** Why a request with this `Origin` is refused; null where it is not. */
  originRefusal(origin: string | null): string | null {
    return origin === null || this.#allowOrigin.includes(origin)
      ? null
      : `origin ${origin} is not allowed (--allow-origin)`;
  }

  /** Why a request with this `Host` is refused; null where it is not. No browser leaves it out. */
  hostRefusal(host: string | null): string | null {
    if (host === null || this.#names === null) {
      return null;
    }
    const name = nameIn(host);
    const isOwn =
      name !== null &&
      (isLiteral(name) ||
        name === "localhost" ||
        name.endsWith(".localhost") ||
        this.#names.has(name));
    return isOwn
      ? null
      : `${host} is no name of this node, which listens on loopback: take its address, or name it with --advertise`;
  }
}

/** The name or address in a `Host` header, in one spelling; null where there is none. */
function nameIn(host: string): string | null {
  const name = HOST.exec(host)?.[1];
  return name === undefined ? null : canonicalHost(name.replace(/^\[|\]$|\.$/g, ""));
}
