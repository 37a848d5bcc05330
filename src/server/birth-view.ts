import { createHash } from "node:crypto";
import type { BirthRecord } from "../storage/storage.ts";
import type { PeerIdentity } from "../wire/messages.ts";

/** What a fresh directory tells of itself when it is asked. */
export interface FreshAnswer {
  readonly name: string;
  readonly incarnation: string;
  readonly view: readonly PeerIdentity[];
}

/**
 * Who a fresh member believes the first members to be: every name of its bootstrap list, and the
 * incarnation with which each answered.
 *
 * Only answers to this node's own questions are heard, so a name's incarnation was alive after the
 * question was put. Were late frames of n1's wiped directory heard too, n2 could fall back from
 * n1's new incarnation to its old one and be born with it, when n3 had been born with the new one.
 */
export class BirthView {
  readonly #self: PeerIdentity;
  readonly #names: readonly string[];
  readonly #incarnations = new Map<string, string>();
  /** Incarnations that another one of the same name has replaced. */
  readonly #replaced = new Set<string>();

  constructor(self: PeerIdentity, names: readonly string[]) {
    this.#self = self;
    this.#names = [...names].sort();
    this.#incarnations.set(self.name, self.incarnation);
  }

  /** Every name of the list, sorted; empty text for the incarnation of one that was not heard. */
  identities(): readonly PeerIdentity[] {
    return this.#names.map((name) => ({ name, incarnation: this.#incarnations.get(name) ?? "" }));
  }

  unheard(): readonly string[] {
    return this.#names.filter((name) => !this.#incarnations.has(name));
  }

  hasSameNames(view: readonly PeerIdentity[]): boolean {
    const names = view.map((identity) => identity.name).sort();
    return names.length === this.#names.length && names.every((name, i) => name === this.#names[i]);
  }

  names(): readonly string[] {
    return this.#names;
  }

  /**
   * `changed`: the view is another one now. `conflict`: two directories answer in turns under one
   * name, so none of them may be counted.
   */
  hear(answer: FreshAnswer): "same" | "changed" | "conflict" {
    const known = this.#incarnations.get(answer.name);
    if (known === answer.incarnation) {
      return "same";
    }
    if (answer.name === this.#self.name || this.#replaced.has(answer.incarnation)) {
      return "conflict";
    }
    if (known !== undefined) {
      this.#replaced.add(known);
    }
    this.#incarnations.set(answer.name, answer.incarnation);
    return "changed";
  }

  agreesWith(view: readonly PeerIdentity[]): boolean {
    const own = this.identities();
    return (
      view.length === own.length &&
      own.every(
        ({ name, incarnation }) =>
          incarnation !== "" &&
          view.some((other) => other.name === name && other.incarnation === incarnation),
      )
    );
  }

  /** What all members write down once they agree: the same bytes on each. */
  record(): BirthRecord {
    const members = this.identities();
    const text = JSON.stringify(members.map(({ name, incarnation }) => [name, incarnation]));
    const clusterId = createHash("sha256").update(text).digest("hex").slice(0, 32);
    return { clusterId, epoch: 1, members };
  }
}

export function isMember(record: BirthRecord, identity: PeerIdentity): boolean {
  return record.members.some(
    (member) => member.name === identity.name && member.incarnation === identity.incarnation,
  );
}
