import type { Dialer, Logger, Random, Timers } from "../env/env.ts";
import { CALL_TIMEOUT_MS_DEFAULT, PEER_REDIAL_MS_MAX } from "../limits.ts";
import { lostDirectoryAdvice } from "../storage/recovery-advice.ts";
import type { Membership } from "../storage/storage.ts";
import { textOf } from "../util/text-of.ts";
import type { PeerCluster, PeerHello, PeerIdentity } from "../wire/messages.ts";
import { placeOf } from "./address.ts";
import { isMember } from "./birth-view.ts";
import { configurationError, NodeError } from "./node-error.ts";
import { askLeaderBy, type OperationPage } from "./operation-request.ts";
import { CLOSE, dialPeer, introductionOf } from "./peer-handshake.ts";
import { Rounds } from "./rounds.ts";
import { lineageOf } from "./status.ts";

export interface JoinOptions {
  readonly self: PeerIdentity;
  readonly advertise: string;
  /** Of members, `host:port`; one that answers is enough. This node's own is passed over. */
  readonly seeds: readonly string[];
  readonly dialer: Dialer;
  readonly timers: Timers;
  readonly random: Random;
  readonly logger: Logger;
  /** Where a member serves, by its own word. */
  readonly onAdvertised: (name: string, advertise: string) => void;
}

interface Born {
  readonly seed: string;
  readonly cluster: PeerCluster;
}

/** Refusals that asking again does not lift. */
const FINAL: ReadonlySet<string> = new Set([
  ...["nameTaken", "addressTaken", "alreadyVoter", "otherCluster"],
]);

/**
 * How a fresh directory becomes a member of a cluster that runs. It takes the birth record from a
 * member, and has the leader add it as a learner, under the incarnation that is on its disk already
 * and in an entry that is committed after it asked. Only then is it told to the directory, with the
 * index of that commit. So whatever crashes where, the same command again comes to the same end:
 *
 * - before the entry is committed, nothing has happened, or it is found to be added;
 * - behind it, the directory is still fresh. It asks again, and the learner that it finds itself to
 *   be is removed and added anew: whatever may have acknowledged under its id is not relied on;
 * - once the directory is born, nothing is asked any more.
 *
 * n2's disk is wiped and n2 starts with --join: it has another incarnation, so it is nobody, and
 * its name and address are those of a member. It is refused.
 */
export class Join {
  readonly #options: JoinOptions;
  readonly #warned = new Set<string>();
  readonly #rounds: Rounds;
  #waitingFor = "no member was reached yet";

  constructor(options: JoinOptions) {
    this.#options = options;
    this.#rounds = new Rounds(options.timers, options.random, PEER_REDIAL_MS_MAX);
  }

  /** Why this node has not joined yet, for `/readyz` and people. */
  waitingFor(): string {
    return `joining a cluster: ${this.#waitingFor}`;
  }

  /**
   * Resolves with what to write down; null when it was stopped before. Rejects with a `NodeError`
   * where this directory must not, or cannot, become a member.
   */
  run(): Promise<Membership | null> {
    return this.#rounds.until(() => this.#round());
  }

  stop(): void {
    this.#rounds.stop();
  }

  async #round(): Promise<Membership | null> {
    const { self, advertise, seeds } = this.#options;
    const others = seeds.filter((seed) => placeOf(seed) !== placeOf(advertise));
    const asked = await Promise.all(others.map((seed) => this.#ask(seed)));
    const born = asked.filter((answer) => answer !== null);
    const [first, ...rest] = born;
    if (first === undefined || this.#rounds.isStopped) {
      return null;
    }
    const lineage = lineageOf(first.cluster);
    const stray = rest.find(({ cluster }) => lineageOf(cluster) !== lineage);
    if (stray !== undefined) {
      throw configurationError(
        `${first.seed} is of cluster ${lineage}, and ${stray.seed} of ${lineageOf(stray.cluster)}`,
        "give --join addresses of one cluster only",
      );
    }
    if (isMember(first.cluster, self)) {
      return { ...first.cluster, joinedIndex: 0 };
    }
    for (const { seed } of born) {
      const joinedIndex = await this.#beAdded(seed, lineage);
      if (joinedIndex !== null) {
        return { ...first.cluster, joinedIndex };
      }
    }
    return null;
  }

  async #ask(seed: string): Promise<Born | null> {
    const { dialer, timers, onAdvertised } = this.#options;
    try {
      const { socket, answer } = await dialPeer(dialer, timers, seed, this.#hello());
      socket.close(CLOSE.normal, "asked");
      if (answer.type === "peerRefused") {
        return this.#waits(`${seed} refused: ${answer.message}`);
      }
      if (answer.cluster === null) {
        return this.#waits(`${answer.name} at ${seed} is not born yet`);
      }
      onAdvertised(answer.name, answer.advertise);
      return { seed, cluster: answer.cluster };
    } catch (error) {
      return this.#waits(`${seed}: ${textOf(error)}`);
    }
  }

  /** The index as of which it is a member; null where that has to be asked again. */
  async #beAdded(seed: string, lineage: string): Promise<number | null> {
    const { self, advertise, onAdvertised } = this.#options;
    const query = new URLSearchParams({
      ...{ operation: "join", id: self.incarnation, name: self.name, address: advertise },
      lineage,
    });
    try {
      // Twice: a learner that it was before is removed first, then it is added.
      const page = await askLeaderBy(`http://${seed}`, query, 2 * CALL_TIMEOUT_MS_DEFAULT);
      if (page.error === null && page.index !== undefined) {
        for (const { name, address } of page.members ?? []) {
          onAdvertised(name, address);
        }
        return page.index;
      }
      if (page.error !== null && this.#isFinal(page.error)) {
        throw this.#refused(page.error);
      }
      return this.#waits(page.error?.message ?? `${seed} does not know how to add a node`);
    } catch (error) {
      if (error instanceof NodeError) {
        throw error;
      }
      return this.#waits(`${seed}: ${textOf(error)}`);
    }
  }

  #isFinal({ code, reason = "" }: NonNullable<OperationPage["error"]>): boolean {
    return FINAL.has(reason) || code === "INVALID" || code === "DENIED" || code === "LIMIT";
  }

  #refused({ message, reason }: NonNullable<OperationPage["error"]>): NodeError {
    const { name } = this.#options.self;
    switch (reason) {
      case "nameTaken":
        return configurationError(
          `${name} cannot join: ${message}`,
          `A member never comes back with an empty directory. If this is another node, give it an --id of its own. If ${name} was a learner, take it out ('rollcall member remove ${name}') and start this again. Of a voter: ${lostDirectoryAdvice(name)}`,
        );
      case "addressTaken":
        return configurationError(
          `${name} cannot join: ${message}`,
          "give this node an address of its own (--listen, --advertise), or take the other member out first: 'rollcall member remove NAME'",
        );
      case "alreadyVoter":
        return configurationError(`${name} cannot join: ${message}`, lostDirectoryAdvice(name));
      default:
        return configurationError(
          `${name} cannot join: ${message}`,
          "correct --join, --id, --listen or --advertise",
        );
    }
  }

  #waits(why: string): null {
    this.#waitingFor = why;
    if (!this.#warned.has(why)) {
      this.#warned.add(why);
      this.#options.logger.warn({}, `cannot join yet: ${why}`);
    }
    return null;
  }

  #hello(): PeerHello {
    const { self, advertise } = this.#options;
    return { type: "peerHello", ...introductionOf(self, advertise) };
  }
}
