import type { Dialer, Logger, Random, Timers } from "../env/env.ts";
import { EXIT } from "../errors.ts";
import { PEER_REDIAL_MS_MIN } from "../limits.ts";
import { lostDirectoryAdvice } from "../storage/recovery-advice.ts";
import type { BirthRecord } from "../storage/storage.ts";
import { unreachable } from "../util/assert.ts";
import { textOf } from "../util/text-of.ts";
import {
  type PeerAnswer,
  type PeerCluster,
  type PeerHello,
  type PeerIdentity,
  PROTOCOL_VERSION,
} from "../wire/messages.ts";
import type { NamedAddress } from "./address.ts";
import { BirthView, type FreshAnswer, isMember } from "./birth-view.ts";
import { configurationError, NodeError } from "./node-error.ts";
import { CLOSE, dialPeer, introductionOf } from "./peer-handshake.ts";
import { Rounds } from "./rounds.ts";

const ROUND_MS_MAX = 4 * PEER_REDIAL_MS_MIN;

export interface BirthOptions {
  readonly self: PeerIdentity;
  readonly advertise: string;
  /** All first members, this one included, and where to dial each. */
  readonly list: readonly NamedAddress[];
  readonly dialer: Dialer;
  readonly timers: Timers;
  readonly random: Random;
  readonly logger: Logger;
}

/** What one question to one member brought. */
type Finding =
  | { readonly type: "fresh"; readonly answer: FreshAnswer }
  | { readonly type: "born"; readonly name: string; readonly cluster: PeerCluster }
  | { readonly type: "silent"; readonly name: string; readonly why: string };

/**
 * How a fresh directory becomes a member (design section 6, "Birth"). It asks every member of its
 * list in rounds, and is born in one of two ways only:
 *
 * - in one round every member answered that it is fresh, with a view of names and incarnations
 *   equal to this node's own complete one. Each answered after the question, so at that moment all
 *   of them held this view, and whoever is born by it writes the same record;
 * - a member answered that it was born in a cluster that counts this very incarnation.
 *
 * n1's disk is wiped while n2 and n3 are members: they answer n1 with a cluster that knows n1 by
 * another incarnation, and n1 ends. It may have voted and acknowledged as that one, and would break
 * both promises if it were let in again under its name.
 */
export class Birth {
  readonly #options: BirthOptions;
  readonly #view: BirthView;
  readonly #silent = new Map<string, string>();
  readonly #warned = new Set<string>();
  readonly #rounds: Rounds;

  constructor(options: BirthOptions) {
    this.#options = options;
    this.#rounds = new Rounds(options.timers, options.random, ROUND_MS_MAX);
    this.#view = new BirthView(
      options.self,
      options.list.map((member) => member.name),
    );
  }

  /** Why this node is not born yet, for `/readyz` and people. */
  waitingFor(): string {
    const reasons = [...this.#silent].map(([name, why]) => `${name}: ${why}`);
    return reasons.length > 0
      ? `being born, waiting for ${reasons.join("; ")}`
      : "being born, the members are comparing views";
  }

  hello(): PeerHello {
    return { type: "peerHello", ...this.#introduction() };
  }

  /** The answer to another node that dials this one. */
  answer(hello: PeerHello): PeerAnswer {
    if (hello.protocol !== PROTOCOL_VERSION) {
      return {
        type: "peerRefused",
        code: "VERSION",
        message: `${this.#options.self.name} speaks protocol ${PROTOCOL_VERSION}, not ${hello.protocol}`,
      };
    }
    // Who is to join has no list, and hears that nobody is born here yet.
    const isFirst = hello.cluster === null && hello.view.length > 0;
    if (isFirst && !this.#view.hasSameNames(hello.view)) {
      return {
        type: "peerRefused",
        code: "CONFLICT",
        message: this.#listsDiffer(hello.name, hello.view),
      };
    }
    return { type: "peerWelcome", ...this.#introduction() };
  }

  /**
   * Resolves with the record to write down; null when it was stopped before. Rejects with a
   * `NodeError` where this directory must not take part.
   */
  run(): Promise<BirthRecord | null> {
    return this.#rounds.until(() => this.#round());
  }

  stop(): void {
    this.#rounds.stop();
  }

  async #round(): Promise<BirthRecord | null> {
    const { self, list } = this.#options;
    const others = list.filter((member) => member.name !== self.name);
    const wasComplete = this.#view.unheard().length === 0;
    const findings = await Promise.all(others.map((member) => this.#ask(member)));
    for (const finding of findings) {
      if (finding.type === "born") {
        return this.#adopt(finding.name, finding.cluster);
      }
    }
    let isUnanimous = wasComplete;
    for (const finding of findings) {
      if (finding.type === "silent") {
        this.#silent.set(finding.name, finding.why);
        isUnanimous = false;
        continue;
      }
      if (finding.type === "fresh") {
        this.#silent.delete(finding.answer.name);
        isUnanimous = this.#hear(finding.answer) && isUnanimous;
      }
    }
    return isUnanimous ? this.#view.record() : null;
  }

  /** True when it agrees with all that this node knew before the round. */
  #hear(answer: FreshAnswer): boolean {
    if (!this.#view.hasSameNames(answer.view)) {
      throw configurationError(
        this.#listsDiffer(answer.name, answer.view),
        "give every member the same --bootstrap list",
      );
    }
    const heard = this.#view.hear(answer);
    if (heard === "conflict") {
      throw configurationError(
        `two data directories answer as ${answer.name}`,
        "stop one of them, or correct --id and the addresses of --bootstrap",
      );
    }
    return heard === "same" && this.#view.agreesWith(answer.view);
  }

  #adopt(informant: string, cluster: PeerCluster): BirthRecord {
    const { self } = this.#options;
    if (!isMember(cluster, self)) {
      const former = cluster.members.find((member) => member.name === self.name);
      throw new NodeError(
        EXIT.configuration,
        `ALREADY_BOOTSTRAPPED: ${informant} is a member of cluster ${cluster.clusterId}, which was born ${
          former === undefined
            ? `without a member named ${self.name}`
            : `with another data directory of ${self.name} (incarnation ${former.incarnation}, this one is ${self.incarnation})`
        }`,
        former === undefined
          ? `the members of that cluster are ${namesOf(cluster)}: see to --id, and to the addresses of --bootstrap`
          : lostDirectoryAdvice(self.name),
      );
    }
    return { clusterId: cluster.clusterId, epoch: cluster.epoch, members: cluster.members };
  }

  async #ask(member: NamedAddress): Promise<Finding> {
    const { dialer, timers } = this.#options;
    try {
      const { socket, answer } = await dialPeer(dialer, timers, member.address, this.hello());
      socket.close(CLOSE.normal, "asked");
      return this.#understood(member, answer);
    } catch (error) {
      if (error instanceof NodeError) {
        throw error;
      }
      return { type: "silent", name: member.name, why: `${member.address}: ${textOf(error)}` };
    }
  }

  #understood(member: NamedAddress, answer: PeerAnswer): Finding {
    const silent = (why: string): Finding => {
      if (!this.#warned.has(why)) {
        this.#warned.add(why);
        this.#options.logger.warn({ peer: member.name, address: member.address }, why);
      }
      return { type: "silent", name: member.name, why };
    };
    switch (answer.type) {
      case "peerRefused":
        // An end that the other one sees too: lists that differ do not become equal by waiting.
        if (answer.code === "CONFLICT" || answer.code === "ALREADY_BOOTSTRAPPED") {
          throw configurationError(
            `${member.name} refused this node: ${answer.message}`,
            "give every member the same --bootstrap list",
          );
        }
        return silent(`refused: ${answer.message}`);
      case "peerWelcome":
        if (answer.cluster !== null) {
          return { type: "born", name: member.name, cluster: answer.cluster };
        }
        if (answer.name !== member.name) {
          return silent(`${answer.name} answers at the address of ${member.name}`);
        }
        return { type: "fresh", answer };
      default:
        return unreachable(answer);
    }
  }

  #introduction(): Omit<PeerHello, "type"> {
    const { self, advertise } = this.#options;
    return { ...introductionOf(self, advertise), view: this.#view.identities() };
  }

  #listsDiffer(name: string, view: readonly PeerIdentity[]): string {
    const theirs = view.map((identity) => identity.name).join(",");
    return `${name} has the bootstrap list ${theirs}, ${this.#options.self.name} has ${this.#view.names().join(",")}`;
  }
}

function namesOf({ members }: PeerCluster): string {
  return members.map(({ name }) => name).join(", ");
}
