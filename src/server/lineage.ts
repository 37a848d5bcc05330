import type { BirthRecord } from "../storage/storage.ts";
import type { PeerAnswer } from "../wire/messages.ts";

/** That the cluster of a node goes on in an epoch after its own. */
export interface LaterEpoch {
  readonly epoch: number;
  readonly by: string;
  /** Else a client says so. */
  readonly isByPeer: boolean;
}

type Lineage = Pick<BirthRecord, "clusterId" | "epoch">;

/** The epoch that somebody has heard of, where it is a later one of this very cluster; else null. */
export function laterEpoch(own: Lineage, told: Lineage | null): number | null {
  return told !== null && told.clusterId === own.clusterId && told.epoch > own.epoch
    ? told.epoch
    : null;
}

/** Of the text that clients are told a lineage by; null where it is not one of ours. */
function parseLineage(text: string): Lineage | null {
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

/** A client has seen this lineage. */
export function seenByClient(
  own: Lineage,
  lineage: string,
  onSuperseded: (told: LaterEpoch) => void,
): void {
  const epoch = laterEpoch(own, parseLineage(lineage));
  if (epoch !== null) {
    onSuperseded({ epoch, by: "a client", isByPeer: false });
  }
}
