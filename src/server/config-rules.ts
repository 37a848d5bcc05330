import { isAddr } from "../schema/text-rules.ts";
import {
  canonicalHost,
  checkedAddress,
  formatAddress,
  type HostPort,
  isLiteral,
  isLoopback,
  isWildcard,
  type NamedAddress,
  placeOf,
} from "./address.ts";
import type { NodeConfig } from "./config.ts";
import { configurationError } from "./node-error.ts";

/** What no flag can say alone. Throws a `NodeError` that names the flag and what to do. */
export function checkTogether(config: NodeConfig): void {
  checkListen(config);
  checkMembers("--bootstrap", config.bootstrap);
  checkMembers("--peer", config.peers);
  checkJoin(config);
  checkOwnEntry(config);
  checkDisk(config);
}

function checkDisk({ diskLowBytes, diskFullBytes }: NodeConfig): void {
  if (diskLowBytes !== null && diskFullBytes !== null && diskFullBytes > diskLowBytes) {
    throw configurationError(
      `--disk-full ${diskFullBytes} is more than --disk-low ${diskLowBytes}`,
      "a disk is low before it is full: give --disk-low more, or --disk-full less",
    );
  }
}

function checkListen({ listen, insecure, advertise }: NodeConfig): void {
  if (!isLoopback(listen.host) && !insecure) {
    throw configurationError(
      `--listen ${listen.host} is reachable from other machines, and there are no tokens yet`,
      "add --insecure when the network is trusted, or listen on 127.0.0.1",
    );
  }
  const isTellable = isAddr(formatAddress({ host: listen.host, port: listen.port || 1 }));
  if (advertise === null && (isWildcard(listen.host) || !isTellable)) {
    throw configurationError(
      `--listen ${listen.host} is no address that others can go to`,
      "add --advertise HOST:PORT",
    );
  }
}

function checkMembers(flag: string, members: readonly NamedAddress[]): void {
  const names = new Set<string>();
  const byAddress = new Map<string, string>();
  for (const { name, address } of members) {
    if (names.has(name)) {
      throw configurationError(
        `${flag} names ${name} twice`,
        `give every member a name of its own in ${flag}`,
      );
    }
    names.add(name);
    const place = placeOf(address);
    const other = byAddress.get(place);
    if (other !== undefined) {
      throw configurationError(
        `${flag} gives ${other} and ${name} one address, ${address}`,
        `give every member an address of its own in ${flag}`,
      );
    }
    byAddress.set(place, name);
  }
}

function checkJoin({ id, bootstrap, join, learner, listen, advertise }: NodeConfig): void {
  if (learner && join.length === 0) {
    throw configurationError(
      "--learner is for a node that joins a cluster",
      "add --join HOST:PORT of a member, or leave --learner out",
    );
  }
  if (join.length > 0 && bootstrap.length > 0) {
    throw configurationError(
      "--join and --bootstrap exclude each other",
      "--bootstrap begins a cluster with the members that it names; --join adds this node to one that runs",
    );
  }
  const own = placeOf(advertise ?? formatAddress(listen));
  if (join.length > 0 && join.every((seed) => placeOf(seed) === own)) {
    throw configurationError(
      `--join ${own} is the address of this node, ${id}, itself`,
      "give the address of a member",
    );
  }
}

/** The others dial this member where the list says that it is, so that must lead here. */
function checkOwnEntry({ id, bootstrap, listen, advertise }: NodeConfig): void {
  const own = bootstrap.find(({ name }) => name === id);
  if (own === undefined) {
    if (bootstrap.length > 0) {
      throw configurationError(
        `--bootstrap does not name this member, ${id}`,
        "give every member the same list, with itself in it",
      );
    }
    return;
  }
  const told = advertise ?? formatAddress(listen);
  const flag = advertise === null ? "--listen" : "--advertise";
  const twin = bootstrap.find(
    ({ name, address }) => name !== id && placeOf(address) === placeOf(told),
  );
  if (twin !== undefined) {
    throw configurationError(
      `${flag} ${told} is the address of ${twin.name} in --bootstrap, and this member is ${id}`,
      `correct --id, ${flag} or --bootstrap`,
    );
  }
  if (
    !leadsHere(
      checkedAddress(own.address),
      listen,
      advertise === null ? null : checkedAddress(advertise),
    )
  ) {
    throw configurationError(
      `--bootstrap says that ${id} is at ${own.address}, but ${flag} is ${told}`,
      `correct the entry of ${id} in --bootstrap (of every member), or ${flag}`,
    );
  }
}

/**
 * Whether a dial of `entry` can end at this node. A host name can mean any address. Members may
 * also dial another place than clients are told (a container's own port and the published one), so
 * an entry that leads to where the node listens is as good.
 */
function leadsHere(entry: HostPort, listen: HostPort, advertise: HostPort | null): boolean {
  if (advertise !== null && mayBeSame(entry, advertise)) {
    return true;
  }
  if (listen.port === 0) {
    return advertise === null;
  }
  if (!isWildcard(listen.host)) {
    return mayBeSame(entry, listen);
  }
  // It listens on all its addresses; which these are, only the advertised one says.
  return advertise !== null && mayBeSame(entry, { host: advertise.host, port: listen.port });
}

function mayBeSame(a: HostPort, b: HostPort): boolean {
  const areLiteral = isLiteral(a.host) && isLiteral(b.host);
  return a.port === b.port && (!areLiteral || canonicalHost(a.host) === canonicalHost(b.host));
}
