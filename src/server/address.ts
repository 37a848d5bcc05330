import { isIP, isIPv6 } from "node:net";

/** `host:port`, taken apart. An IPv6 host has no brackets here. */
export interface HostPort {
  readonly host: string;
  readonly port: number;
}

export interface NamedAddress {
  readonly name: string;
  /** `host:port` */
  readonly address: string;
}

const PORT_MAX = 65_535;

/** Null when `text` is not `host:port` or `[v6]:port`. */
export function parseAddress(text: string): HostPort | null {
  const match = /^(?:\[([0-9A-Fa-f:.%]+)\]|([^\s:/[\]]+)):(\d{1,5})$/.exec(text);
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  return host === undefined || port > PORT_MAX ? null : { host, port };
}

export function formatAddress({ host, port }: HostPort): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

/** An IPv4 or IPv6 address, not a name that has to be looked up. */
export function isLiteral(host: string): boolean {
  return isIP(host) !== 0;
}

/** One spelling of an address or a name. */
export function canonicalHost(host: string): string {
  if (isIPv6(host) && URL.canParse(`http://[${host}]`)) {
    return new URL(`http://[${host}]`).hostname.slice(1, -1);
  }
  return host.toLowerCase();
}

export function isLoopback(host: string): boolean {
  return (
    host === "localhost" ||
    host === "::1" ||
    /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(host) ||
    /^::ffff:127\./i.test(host)
  );
}

/** Listens on every interface, so it is no address to go to. */
export function isWildcard(host: string): boolean {
  const canonical = canonicalHost(host);
  return canonical === "0.0.0.0" || canonical === "::" || canonical === "*";
}

/** Equal for two texts that say the same. Both were checked to be `host:port`. */
export function placeOf(address: string): string {
  const { host, port } = checkedAddress(address);
  return formatAddress({ host: canonicalHost(host), port });
}

/** Of a text that was checked before. */
export function checkedAddress(address: string): HostPort {
  const hostPort = parseAddress(address);
  if (hostPort === null) {
    throw new RangeError(`${address} was checked to be host:port`);
  }
  return hostPort;
}
