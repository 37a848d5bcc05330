import type { Logger } from "../env/env.ts";
import { LATER_EPOCH_ADVICE } from "../storage/recovery-advice.ts";
import type { BirthRecord } from "../storage/storage.ts";
import type { PeerAnswer } from "../wire/messages.ts";

/** Epochs that clients name and that are written to the log; anybody can name one. */
const EPOCHS_TOLD_MAX = 8;

/** That the cluster of a node goes on in an epoch after its own. */
export interface LaterEpoch {
  readonly epoch: number;
  /** The member that says so, to a node that has dialled it. */
  readonly by: string;
}

/** By the word of a member, to one that is not linked to it and asks all the same. */
export class LaterEpochTold extends Error {
  readonly told: LaterEpoch;

  constructor(told: LaterEpoch) {
    super(`the cluster goes on in epoch ${told.epoch}, by the word of ${told.by}`);
    this.told = told;
  }
}

type Lineage = Pick<BirthRecord, "clusterId" | "epoch">;

/** The epoch that somebody has heard of, where it is a later one of this very cluster; else null. */
export function laterEpoch(own: Lineage, told: Lineage | null): number | null {
  return told !== null && told.clusterId === own.clusterId && told.epoch > own.epoch
    ? told.epoch
    : null;
}

/** Of the text that clients are told a lineage by; null where it is not one of ours. */
export function parseLineage(text: string): Lineage | null {
  const [, clusterId = "", digits = ""] = /^([0-9a-f]{32})\.([1-9]\d{0,8})$/.exec(text) ?? [];
  return clusterId === "" ? null : { clusterId, epoch: Number(digits) };
}

/** What a peer's answer to a hello says of it. A refusal names an epoch of the asker's cluster. */
export function epochIn(answer: PeerAnswer, own: Lineage): number | null {
  if (answer.type === "peerWelcome") {
    return laterEpoch(own, answer.cluster);
  }
  const { epoch = 0 } = answer;
  return epoch > own.epoch ? epoch : null;
}

/**
 * What a client is told that has seen a later epoch of this very cluster; null where it has not. It
 * is to go on at the nodes of that epoch, and must not be shown what was before it. Whether there is
 * such an epoch only members can tell: a client is anybody who reaches the port.
 */
export class ClientsOfLaterEpochs {
  readonly #own: Lineage;
  readonly #logger: Logger;
  readonly #told = new Set<number>();

  constructor(own: Lineage, logger: Logger) {
    this.#own = own;
    this.#logger = logger;
  }

  refusalOf(lineage: string): string | null {
    const epoch = laterEpoch(this.#own, parseLineage(lineage));
    if (epoch === null) {
      return null;
    }
    if (this.#told.size < EPOCHS_TOLD_MAX && !this.#told.has(epoch)) {
      this.#told.add(epoch);
      const text = `a client has seen epoch ${epoch} of this cluster; this node is of epoch ${this.#own.epoch}`;
      this.#logger.warn({ hint: LATER_EPOCH_ADVICE }, text);
    }
    return `DRAINING: this node is of epoch ${this.#own.epoch} of its cluster, before the one that you have seen`;
  }
}
