import type { Logger, Random, Timers } from "../env/env.ts";
import { CALL_TIMEOUT_MS_DEFAULT, PEER_REDIAL_MS_MAX } from "../limits.ts";
import { LogDamaged } from "../storage/damage.ts";
import type { DataDirectory } from "../storage/directory.ts";
import type { Salvage } from "../storage/salvage.ts";
import type { LogHost } from "./log-page.ts";
import { askLog } from "./log-page.ts";
import { Member, type MemberOptions } from "./member.ts";
import { Rounds } from "./rounds.ts";
import { lineageOf } from "./status.ts";

export interface HealingOptions {
  readonly salvage: Salvage;
  readonly damage: LogDamaged;
  readonly lineage: string;
  readonly name: string;
  /** Where to ask a member, best first. */
  readonly placesOf: (name: string) => readonly string[];
  readonly timers: Timers;
  readonly random: Random;
  readonly logger: Logger;
}

/**
 * A member whose log is damaged takes no part until it has it again, entry by entry, from any other
 * member, whether that leads, follows, or heals itself. It keeps term and vote, and the log that it
 * comes back with is the very one that it had: so it has neither forgotten a vote nor anything that
 * it acknowledged, and nobody has to do without it.
 *
 * n1, n2 and n3 have lost different thirds of the log, and nobody leads. Each hands out what it has
 * left, and all three are whole again.
 *
 * Where the others have a leader and none of them has an entry that is missing here, because
 * snapshots have taken its place, nobody can have it back. The log is then set aside, and the
 * member comes back as one that takes the state of a peer (`src/raft/returning.ts`). Without a
 * leader it waits: what it has left may be needed.
 */
export class Healing {
  readonly #options: HealingOptions;
  readonly #rounds: Rounds;
  readonly #others: readonly string[];
  #answers = "nobody was asked yet";

  constructor(options: HealingOptions) {
    this.#options = options;
    this.#rounds = new Rounds(options.timers, options.random, PEER_REDIAL_MS_MAX);
    const names = options.salvage.members.map(({ name }) => name);
    this.#others = [...new Set(names)].filter((name) => name !== options.name);
  }

  /** For members that heal too. */
  get logHost(): LogHost {
    return { source: this.#options.salvage, lineage: this.#options.lineage, leader: null };
  }

  waitingFor(): string {
    const { repair } = this.#options.salvage;
    const { proved, all } = repair.progress;
    const { state } = repair;
    const what =
      state.type === "wants"
        ? `${proved} of ${all} entries are whole, entry ${state.wanted} is asked for`
        : state.type === "whole"
          ? "it is written anew"
          : `it contradicts itself at entry ${state.index}`;
    return `the log is damaged: ${what}; ${this.#answers}`;
  }

  stop(): void {
    this.#rounds.stop();
  }

  /**
   * Resolves with true once the directory has a log that can be opened, with false where it was
   * stopped before.
   *
   * @throws LogDamaged where there is nobody to ask, StorageError DISK.
   */
  async run(): Promise<boolean> {
    const { salvage, damage, logger } = this.#options;
    const isWhole = salvage.repair.state.type === "whole";
    if (!isWhole && this.#others.length === 0) throw damage;
    logger.warn({ hint: isWhole ? "" : damage.hint, members: this.#others }, damage.message);
    const end = await this.#rounds.until(() => this.#round());
    if (end === null) return false;
    if (end === "rebuilt") {
      await salvage.rebuild();
      const { proved: entries } = salvage.repair.progress;
      logger.warn({ entries }, "the log is whole again, and written anew");
    } else {
      await salvage.setAside();
      logger.warn({}, "nobody has what is missing of the log: it is set aside");
    }
    return true;
  }

  async #round(): Promise<"rebuilt" | "setAside" | null> {
    const { repair } = this.#options.salvage;
    const before = repair.progress.proved;
    const answers: string[] = [];
    let isLed = false;
    for (const name of this.#others) {
      if (repair.state.type === "whole" || this.#rounds.isStopped) break;
      const { leader, text } = await this.#ask(name);
      isLed ||= leader !== null && leader !== this.#options.name;
      answers.push(`${name}: ${text}`);
    }
    this.#told(answers);
    if (repair.state.type === "whole") return "rebuilt";
    return isLed && repair.progress.proved === before ? "setAside" : null;
  }

  /** Takes from it what there is. */
  async #ask(name: string): Promise<{ readonly leader: string | null; readonly text: string }> {
    const { salvage, lineage, placesOf } = this.#options;
    const [place] = placesOf(name);
    if (place === undefined) return { leader: null, text: "nobody knows where it is" };
    for (;;) {
      const { state } = salvage.repair;
      const to = state.type === "wants" ? state.wanted : 1;
      try {
        const { leader, values } = await askLog(place, lineage, to, CALL_TIMEOUT_MS_DEFAULT);
        const isCloser = salvage.repair.offer(values);
        if (isCloser && salvage.repair.state.type === "wants" && !this.#rounds.isStopped) continue;
        const led = leader === null ? "without a leader" : `led by ${leader}`;
        return {
          leader,
          text: isCloser ? `${led}, has given entries` : `${led}, lacks entry ${to}`,
        };
      } catch (error) {
        return { leader: null, text: error instanceof Error ? error.message : String(error) };
      }
    }
  }

  #told(answers: readonly string[]): void {
    const text = answers.join("; ");
    if (text === this.#answers || text === "") return;
    this.#answers = text;
    this.#options.logger.info({}, this.waitingFor());
  }
}

/**
 * Starts a member; a log that is damaged is made whole first, once. Null where that was stopped.
 * `reopen`: the directory, once it is closed.
 */
export async function startHealed(
  options: MemberOptions,
  on: { onHealing(healing: Healing): void; reopen(): Promise<DataDirectory> },
): Promise<Member | null> {
  try {
    return await Member.start(options);
  } catch (damage) {
    if (!(damage instanceof LogDamaged)) {
      throw damage;
    }
    const { directory, addresses, birth } = options;
    const salvage = await directory.salvage();
    const placesOf = (name: string) => addresses.dialable(name);
    const lineage = lineageOf(birth);
    const healing = new Healing({ ...options, salvage, damage, lineage, placesOf });
    on.onHealing(healing);
    if (!(await healing.run())) {
      return null;
    }
    await directory.close();
    return Member.start({ ...options, directory: await on.reopen() });
  }
}
