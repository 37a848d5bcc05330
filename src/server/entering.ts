import type { Dialer, Logger, Random, Timers } from "../env/env.ts";
import type { DataDirectory } from "../storage/directory.ts";
import type { Membership } from "../storage/storage.ts";
import type { AddressBook } from "./address-book.ts";
import { Birth } from "./birth.ts";
import type { NodeConfig } from "./config.ts";
import { Join } from "./join.ts";
import { configurationError, type NodeError } from "./node-error.ts";

/** What a fresh directory enters a cluster with. */
export interface Entrance {
  readonly directory: DataDirectory;
  readonly advertise: string;
  readonly addresses: AddressBook;
}

export interface Entering extends Entrance {
  readonly config: NodeConfig;
  readonly dialer: Dialer;
  readonly timers: Timers;
  readonly random: Random;
  readonly logger: Logger;
}

export function joinOf({ config, directory, advertise, addresses, ...rest }: Entering): Join {
  return new Join({
    ...rest,
    self: { name: config.id, incarnation: directory.identity.incarnation },
    advertise,
    seeds: config.join,
    onAdvertised: (name, address) => addresses.heard(name, address),
  });
}

/** Resolves once the directory knows it; null when the join was stopped before. */
export async function joinCluster(
  { config, directory, addresses, logger }: Entering,
  join: Join,
): Promise<Membership | null> {
  logger.info({ seeds: config.join }, "a fresh directory: joining a cluster");
  const membership = await join.run();
  if (membership === null) {
    return null;
  }
  // It is not told again where they are.
  await addresses.settled();
  await directory.bear(membership);
  const hint = config.learner
    ? `when it has caught up: 'rollcall member promote ${config.id}'`
    : "it asks for its vote by itself when it has caught up";
  logger.info({ cluster: membership.clusterId, hint }, "joined the cluster as a learner");
  return membership;
}

export function birthOf({ config, directory, advertise, addresses, ...rest }: Entering): Birth {
  return new Birth({
    ...rest,
    self: { name: config.id, incarnation: directory.identity.incarnation },
    advertise,
    list: config.bootstrap.map(({ name, address }) => ({
      name,
      address: addresses.dialable(name)[0] ?? address,
    })),
  });
}

/** Resolves once the directory knows it; null when the birth was stopped before. */
export async function beBorn(
  { config, directory, logger }: Entering,
  birth: Birth,
): Promise<Membership | null> {
  const members = config.bootstrap.map(({ name, address }) => `${name}=${address}`);
  logger.info({ members }, "a fresh directory: waiting for every first member");
  const record = await birth.run();
  if (record === null) {
    return null;
  }
  const membership = { ...record, joinedIndex: 0 };
  await directory.bear(membership);
  logger.info({ cluster: record.clusterId }, "born");
  return membership;
}

export function hasNoCluster({ bootstrap, join }: NodeConfig): boolean {
  return bootstrap.length === 0 && join.length === 0;
}

export function notOfACluster({ dataDir, id }: NodeConfig): NodeError {
  return configurationError(
    `${dataDir} is not part of a cluster, and neither --bootstrap nor --join says of which`,
    `to begin one give all first members, e.g. --bootstrap ${id}=HOST:PORT; to join one that runs, --join HOST:PORT of a member`,
  );
}
