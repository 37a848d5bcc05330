import { Violation } from "./violation.ts";
import type { VoteOnDisk } from "./vote-on-disk.ts";

/**
 * The votes of all members, as their disks have shown them before and after each fault.
 *
 * That a vote is given twice shows in three ways. A disk names two members in one term: n3 voted for
 * n1, lost it, and voted for n2. Or a disk has lost it and nobody has asked for it yet: it has not
 * what the node had when it followed in that term, or somebody was elected in a term of which too many
 * disks have never heard. These two need no luck, since they look right behind the fault.
 */
export class Ballots {
  readonly #names: readonly string[];
  /** By name and term. */
  readonly #votes = new Map<string, Map<number, string>>();
  /** What each had when it was last at rest. */
  readonly #atRest = new Map<string, VoteOnDisk>();

  /** `names`: all voters. */
  constructor(names: readonly string[]) {
    this.#names = names;
  }

  /** It stands on the disk of this node, or in its memory. */
  saw(node: string, { term, vote }: VoteOnDisk): void {
    if (vote === null) return;
    const ofNode = this.#votes.get(node) ?? new Map<number, string>();
    this.#votes.set(node, ofNode.set(term, ofNode.get(term) ?? vote));
    const first = ofNode.get(term);
    if (first !== vote) {
      throw new Violation("twoVotes", `${node} in term ${term}: for ${first}, and for ${vote}`);
    }
  }

  /** The node has taken part in this term, so it has to be on its disk from now on. */
  rests(node: string, vote: VoteOnDisk): void {
    this.saw(node, vote);
    this.#atRest.set(node, vote);
  }

  /**
   * What a fault has left on disks (null: nothing that can be read), of nodes that have not been
   * started since. `leader` won the election of `term` before it. Of the other nodes nothing is
   * known, so they may have voted for it.
   */
  survived(
    left: ReadonlyMap<string, VoteOnDisk | null>,
    elected: { readonly term: number; readonly leader: string } | null,
  ): void {
    for (const [node, vote] of left) {
      if (vote === null) throw new Violation("twoVotes", `${node} has lost term and vote`);
      this.saw(node, vote);
      const had = this.#atRest.get(node);
      const isOlder = had !== undefined && (vote.term < had.term || vote.write < had.write);
      if (isOlder) {
        const [now, before] = [vote, had].map((record) => JSON.stringify(record));
        throw new Violation("twoVotes", `${node} has ${now}, and had ${before}`);
      }
    }
    if (elected === null) return;
    const { term, leader } = elected;
    const hasNotVoted = (vote: VoteOnDisk | null): boolean =>
      vote === null || vote.term < term || (vote.term === term && vote.vote !== leader);
    const without = [...left].filter(([, vote]) => hasNotVoted(vote));
    const majority = Math.floor(this.#names.length / 2) + 1;
    if (this.#names.length - without.length < majority) {
      const disks = without.map(([node, vote]) => `${node} has ${JSON.stringify(vote)}`).join(", ");
      const what = `${leader} was elected in term ${term}, and the disks of a majority know nothing`;
      throw new Violation("twoVotes", `${what}: ${disks}`, without.length);
    }
  }
}
