import type { Clock, Dialer, Logger, Random, Timers } from "../env/env.ts";
import type { DataDirectory } from "../storage/directory.ts";
import type { Membership } from "../storage/storage.ts";
import type { AddressBook } from "./address-book.ts";
import type { DiskGuard } from "./disk-guard.ts";
import type { LaterEpoch } from "./lineage.ts";
import type { Metrics } from "./metrics.ts";

export interface MemberOptions {
  readonly name: string;
  readonly version: string;
  readonly advertise: string;
  readonly birth: Membership;
  readonly directory: DataDirectory;
  readonly addresses: AddressBook;
  readonly dialer: Dialer;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly disk: DiskGuard;
  /** The node is stopped: a start that is under way rejects with the reason. */
  readonly signal: AbortSignal;
  /** This node is no member any more. */
  readonly onRemoved: () => void;
  /** Its cluster goes on without it. */
  readonly onSuperseded: (told: LaterEpoch) => void;
  readonly onFatal: (exitCode: number, error: unknown) => void;
}
